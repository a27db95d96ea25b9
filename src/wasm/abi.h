// The WebAssembly module's exports: what the TypeScript runtime calls, and all it knows of this
// library. One module instance lives in one worker; calls are never concurrent.
//
// A pointer is an offset into the module's memory. Fallible functions return a status: 0 or a
// positive result, or a negative number: -(1 + ErrorCode). Whatever text belongs to the call (JSON,
// UTF-8) is then at text_data(), text_size() bytes long, until the next call: the result in prose
// below, or
// {"code": "...", "message": "...", "hint": "..."} after a failure. Memory that is "handed over"
// comes from alloc() and belongs to the module afterwards, even if the call fails.
//
// dtype is the name that dtype_name() gives ("float32", "int64", "bool" ...). A value, in JSON:
//   {"name", "dtype", "dims": [..], "data": pointer, "bytes"}      a tensor, valid until the next
//   run or close
//   {"name", "dtype": "string", "dims": [..], "strings": [..]}     a string tensor
//   {"name", "none": true}                                         an absent optional
//   {"name", "sequence": [values]}
#pragma once

#include <cstdint>

#define SLUICE_EXPORT(name) __attribute__((export_name(#name)))

extern "C" {

// --- memory and text
SLUICE_EXPORT(sluice_alloc) void* sluice_alloc(uint32_t bytes);  // aligned to 64; 0: out of memory
SLUICE_EXPORT(sluice_free) void sluice_free(void* data);
SLUICE_EXPORT(sluice_text_data) const char* sluice_text_data();
SLUICE_EXPORT(sluice_text_size) uint32_t sluice_text_size();

// --- the module. Call once before anything else: `threads` counts the caller; in a build with
// threads the host starts threads - 1 workers beforehand on the same module and memory (see
// wasm/threads.cc).
// {"version", "simd": "simd128" | "relaxed", "threads": n, "backends": ["webgpu", "cpu"]}
SLUICE_EXPORT(sluice_configure) int32_t sluice_configure(int32_t threads);

// --- sessions. `model` is handed over. options (all optional but name):
//   {"name": "model.onnx", "requested": "auto" | "webgpu" | "cpu", "outputs": [names],
//   "inputShapes": {name: [..]},
//    "fuse": true, "strict": false, "allowSoftware": false, "limits": {..}, "files": {name:
//    [pointer, bytes]}}
// "files" holds external data, handed over. Reads and imports; compiles nothing. Returns a session
// (> 0) and
// {"inputs": [{"name", "dtype", "dims": [4, "batch", null]}], "outputs": [..], "modelSha256",
// "readSeconds"}
SLUICE_EXPORT(sluice_open)
int32_t sluice_open(void* model, uint32_t bytes, const char* options, uint32_t options_bytes);
SLUICE_EXPORT(sluice_close) void sluice_close(int32_t session);

// A feed stays until it is replaced, so that a job can be done again elsewhere. `data` is handed
// over. `tensor` is {"dtype", "dims"} or {"dtype": "string", "dims", "strings"}.
SLUICE_EXPORT(sluice_feed)
int32_t sluice_feed(int32_t session, uint32_t input, const char* tensor, uint32_t tensor_bytes,
                    void* data, uint32_t data_bytes);

// --- the CPU. Compiles and prepares on first use (bind does only that, for warm-up and before a
// failover is needed). run: {"outputs": [values], "seconds"}
SLUICE_EXPORT(sluice_cpu_bind) int32_t sluice_cpu_bind(int32_t session);
SLUICE_EXPORT(sluice_cpu_run) int32_t sluice_cpu_run(int32_t session);

// --- the GPU, driven by the host. Order: gpu_adapter, the canaries, gpu_prepare, upload, then for
// each run gpu_prepare (with the feeds set), gpu_input for each Input instruction, dispatches,
// gpu_island, gpu_output, gpu_finish. A failed call of code "device" or "resource" means: go on
// with gpu_failover and cpu_run.
//
// What the device is and was granted: the "adapter" object of the Binding's JSON. {"passed",
// "refusal", "findings": [{"check", "passed", "sentence", "seconds"}]}. Judges what needs no
// computation.
SLUICE_EXPORT(sluice_gpu_adapter)
int32_t sluice_gpu_adapter(int32_t session, const char* adapter, uint32_t adapter_bytes);

// The self-test, on the device of `session`: number of checks; then each check's program of `round`
// (new data each round) as {"check", "words": [pointer, count], "strings": [..]}: inputs come from
// gpu_canary_input (like gpu_input), its outputs go to gpu_canary_judge, one after another, which
// gives a finding after the last. Check 0 .. n-1; the big buffer is one of them ("once": true: run
// it in round 0 only).
SLUICE_EXPORT(sluice_gpu_canary_count) int32_t sluice_gpu_canary_count(int32_t session);
SLUICE_EXPORT(sluice_gpu_canary)
int32_t sluice_gpu_canary(int32_t session, uint32_t check, uint32_t round);
SLUICE_EXPORT(
    sluice_gpu_canary_data)  // a Constant (kind 0) or Input (kind 1): {"data": pointer, "bytes"}
int32_t sluice_gpu_canary_data(int32_t session, uint32_t kind, uint32_t index);
SLUICE_EXPORT(sluice_gpu_canary_judge)
int32_t sluice_gpu_canary_judge(int32_t session, uint32_t output, const void* data, uint32_t bytes);

// The program for the feeds that are set. With none set (at load): {"program": 0} when only a run
// can tell, else as with feeds: {"program": id, "fresh": true when its pipelines are new to the
// host, "generation": n (changes when sizes changed: rebuild buffers and bind groups), "words":
// [pointer, count], "strings": [..], "islands": [{"node", "op", "reason"}], "figures": {dispatches,
// peak bytes .. as in the Binding}}
SLUICE_EXPORT(sluice_gpu_prepare) int32_t sluice_gpu_prepare(int32_t session);
// Device bytes of a Constant, Input: {"data": pointer, "bytes"}, valid until the next call.
SLUICE_EXPORT(sluice_gpu_constant) int32_t sluice_gpu_constant(int32_t session, uint32_t constant);
SLUICE_EXPORT(sluice_gpu_input) int32_t sluice_gpu_input(int32_t session, uint32_t input);
// Device bytes of input `index` of the island at `step`, one call for each that lies on the device;
// then island_run, then island_output for each output that goes to the device: {"data", "bytes"}.
SLUICE_EXPORT(sluice_gpu_island_input)
int32_t sluice_gpu_island_input(int32_t session, uint32_t step, uint32_t index, const void* data,
                                uint32_t bytes);
SLUICE_EXPORT(sluice_gpu_island_run) int32_t sluice_gpu_island_run(int32_t session, uint32_t step);
SLUICE_EXPORT(sluice_gpu_island_output)
int32_t sluice_gpu_island_output(int32_t session, uint32_t step, uint32_t index);
// Device bytes read back for an Output. Refused (device) when a word still holds the poison.
SLUICE_EXPORT(sluice_gpu_output)
int32_t sluice_gpu_output(int32_t session, uint32_t output, const void* data, uint32_t bytes);
// After all outputs: counts the run into the Binding. `record` is {"seconds", "hostCopies",
// "hostCopyBytes"}.
// {"outputs": [values], "recheck": true when the self-test is due again}
SLUICE_EXPORT(sluice_gpu_finish)
int32_t sluice_gpu_finish(int32_t session, const char* record, uint32_t record_bytes);
// The device is not to be used (any more): `why` is {"stage", "error", "deviceLost": bool}; stage
// "" means that it never was bound (no adapter, gate refused), else it is a failover. The session
// is then bound to the CPU, or, when "webgpu" alone was requested and nothing ran yet or `strict`,
// the call fails with that sentence.
SLUICE_EXPORT(sluice_gpu_failover)
int32_t sluice_gpu_failover(int32_t session, const char* why, uint32_t why_bytes);

// --- the record. note: things only the host knows, merged into the Binding's JSON members of the
// same names:
// {"init_seconds", "download" ..}. binding: the Binding's JSON, with "console": its line, "events":
// [lines].
SLUICE_EXPORT(sluice_note) int32_t sluice_note(int32_t session, const char* json, uint32_t bytes);
SLUICE_EXPORT(sluice_binding) int32_t sluice_binding(int32_t session);
// The OTLP/HTTP JSON bodies of this session: {"metrics": {..}, "logs": {..}}; `resource` is
// {"attributes": {..}}.
SLUICE_EXPORT(sluice_otlp)
int32_t sluice_otlp(int32_t session, const char* resource, uint32_t resource_bytes);

// --- the cutout (apps/cutout). Pixels are RGBA, 8 bits, straight alpha, rows without padding.
// prepare: `manifest` is the JSON of models/*.json, or {"guess": true} (from the session's inputs
// and outputs); sets the session's feed for its picture input: {"width", "height", "note"}.
// `pixels` is handed over.
SLUICE_EXPORT(sluice_cutout_prepare)
int32_t sluice_cutout_prepare(int32_t session, const char* manifest, uint32_t manifest_bytes,
                              void* pixels, uint32_t width, uint32_t height);
// finish, after a run of the session: {"alpha": pointer (1 byte a pixel), "foreground": pointer
// (RGBA, alpha 255), "width", "height", "refineSeconds"}; options {"refine": true, "cleanEdges":
// true}. Valid until the next prepare.
SLUICE_EXPORT(sluice_cutout_finish)
int32_t sluice_cutout_finish(int32_t session, const char* options, uint32_t options_bytes);
// Foreground colours again, for an alpha that the user has edited (handed over). As finish.
SLUICE_EXPORT(sluice_cutout_recolor)
int32_t sluice_cutout_recolor(int32_t session, void* alpha, uint32_t bytes);

}  // extern "C"
