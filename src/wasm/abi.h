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
// The same bytes in a block of another size, which may have moved; 0: out of memory, `data` stays.
SLUICE_EXPORT(sluice_resize) void* sluice_resize(void* data, uint32_t bytes);
SLUICE_EXPORT(sluice_text_data) const char* sluice_text_data();
SLUICE_EXPORT(sluice_text_size) uint32_t sluice_text_size();
// SHA-256 of bytes as they arrive: begin gives a state, hash takes more, end writes 64 hexadecimal
// digits to `text` of everything so far; the state may go on, and ends with sluice_free. `hash` may
// also be called on a thread that is set up like a worker (below) and computes no kernels: for one
// state after the other's call has returned, while the bytes stay where they are.
SLUICE_EXPORT(sluice_hash_begin) void* sluice_hash_begin();  // 0: out of memory
SLUICE_EXPORT(sluice_hash) void sluice_hash(void* state, const void* data, uint32_t bytes);
SLUICE_EXPORT(sluice_hash_end) void sluice_hash_end(const void* state, char* text);

// --- the module. What it imports from "env":
//   memory: of as many pages as the module's import says; the maximum may be anything up to the
//     import's (65536 pages). Shared for the modules named *-threads, unshared for the others.
//   sluice_now() -> f64: a steady clock in milliseconds. sluice_wall() -> f64: milliseconds since
//   1970. sluice_message(text: i32, bytes: i32): a line of UTF-8, for the console. The last lines
//     before a trap say what has failed: a trap ends the instance for good.
//
// Call `initialize` first and once, on the thread that owns the module, then start workers, then
// `configure`. Memory grows: views of it must be made anew after every call.
SLUICE_EXPORT(sluice_initialize) void sluice_initialize();

// Threads (modules named *-threads). For each worker the owner calls thread_block, and gives
// {module, memory, block, index from 1} to a Worker, which instantiates the module with the same
// imports, then:
//   exports.__stack_pointer.value = block + exports.sluice_thread_block_bytes();
//   exports.__wasm_init_tls(block); exports.sluice_thread_main(index);
// thread_main never returns: it computes, and sleeps in between; terminate() ends it. A worker that
// comes late or never costs speed only. When thread_main traps, the Worker calls thread_failed, and
// the owner's call traps, too, if it waits for that thread; for one that was terminated in the
// midst of a kernel it waits two minutes. Only the owner calls anything else (but see `hash`).
SLUICE_EXPORT(sluice_thread_block) void* sluice_thread_block();  // 0: out of memory
SLUICE_EXPORT(sluice_thread_block_bytes) uint32_t sluice_thread_block_bytes();
SLUICE_EXPORT(sluice_thread_main) void sluice_thread_main(int32_t index);
SLUICE_EXPORT(sluice_thread_failed) void sluice_thread_failed();
// For tests: how often a worker has called the allocator, which kernels must not do.
SLUICE_EXPORT(sluice_worker_allocations) uint32_t sluice_worker_allocations();

// `threads` counts the caller: one more than the workers that are being started.
// {"version", "simd": "simd128" | "relaxed", "threads": n}
SLUICE_EXPORT(sluice_configure) int32_t sluice_configure(int32_t threads);

// --- sessions. `model` is handed over. options (all optional but name):
//   {"name": "model.onnx", "requested": "auto" | "webgpu" | "cpu", "outputs": [names],
//   "inputShapes": {name: [..]},
//    "fuse": true, "strict": false, "allowSoftware": false, "limits": {..}, "files": {name:
//    [pointer, bytes]}, "modelSha256": the model's, where the host knows it, "canReopen": false}
// "files" holds external data, handed over. Reads and imports; compiles nothing. Weights that the
// CPU has packed for itself are given up where the CPU alone was requested, and where the host says
// that it can reopen: hand the same bytes over once more, before a device is taken while model_held
// is 0. options of reopen: "files" and "modelSha256". Returns a session (> 0) and
// {"inputs": [{"name", "dtype", "dims": [4, "batch", null]}], "outputs": [..], "modelSha256",
// "readSeconds", "runFigures": [members of the Binding by path: "runs", "steady.n", "a.list.3"]}
SLUICE_EXPORT(sluice_open)
int32_t sluice_open(void* model, uint32_t bytes, const char* options, uint32_t options_bytes);
SLUICE_EXPORT(sluice_reopen)
int32_t sluice_reopen(int32_t session, void* model, uint32_t bytes, const char* options,
                      uint32_t options_bytes);
SLUICE_EXPORT(sluice_model_held) int32_t sluice_model_held(int32_t session);
SLUICE_EXPORT(sluice_close) void sluice_close(int32_t session);

// A feed stays until it is replaced, so that a job can be done again elsewhere. `data` is handed
// over; while the session is bound to the CPU, other elements may be written there for the next
// run. `tensor` is {"dtype", "dims"} or {"dtype": "string", "dims", "strings"}.
SLUICE_EXPORT(sluice_feed)
int32_t sluice_feed(int32_t session, uint32_t input, const char* tensor, uint32_t tensor_bytes,
                    void* data, uint32_t data_bytes);

// --- the CPU. Compiles and prepares on first use (bind does only that, for warm-up and before a
// failover is needed). run: {"outputs": [values], "seconds"}
SLUICE_EXPORT(sluice_cpu_bind) int32_t sluice_cpu_bind(int32_t session);
SLUICE_EXPORT(sluice_cpu_run) int32_t sluice_cpu_run(int32_t session);
// The same for runs that follow each other: 1 and no text when all outputs are tensors of numbers
// with the dtypes, dims and places of the latest reply of cpu_run or cpu_run_again.
SLUICE_EXPORT(sluice_cpu_run_again) int32_t sluice_cpu_run_again(int32_t session);
// What a run changes of the Binding, as doubles in the order of open's "runFigures". Valid until
// the next call. 0: the latest run has changed more since `binding` was asked for; ask again.
SLUICE_EXPORT(sluice_run_figures) const double* sluice_run_figures(int32_t session);

// --- the GPU, driven by the host (session/remote.h). Order: gpu_adapter, the self-test,
// gpu_prepare, upload, then for each run gpu_prepare (with the feeds set) and what its program
// says, gpu_finish. A failed call of code "device" or "resource" means: gpu_failover, then cpu_run;
// any failure before the first run means gpu_failover with stage "".
//
// The host asks for a device with the adapter's own maxBufferSize and maxStorageBufferBindingSize
// (plans stay within the guaranteed values where they can); with the limits "adapter", for all of
// them.

// What the device is and was granted: the "adapter" object of the Binding's JSON. {"passed",
// "refusal", "findings": [{"check", "passed", "sentence", "seconds"}], "parts": 2, "rounds": 3}.
// Judges what needs no computation. Fails (device) within two minutes of the last failure of a
// device. Programs that an earlier device has seen are fresh again.
SLUICE_EXPORT(sluice_gpu_adapter)
int32_t sluice_gpu_adapter(int32_t session, const char* adapter, uint32_t adapter_bytes);

// The self-test, on the device of `session`. canary: the program of the next round of a part (new
// data each round): {"words": [pointer, count], "strings": [..]}; part 0 is run `rounds` times at
// load and once for a recheck, part 1 (a big buffer) once at load. Its constants and inputs come
// from canary_data (kind 0: Constant, 1: Input), its outputs go to canary_judge, one after another;
// what the device fails to run is told with canary_failed, whose text is the sentence. verdict ends
// it: `about` is {"when": "at load", "seconds"}; as gpu_adapter. Findings go into the Binding.
SLUICE_EXPORT(sluice_gpu_canary) int32_t sluice_gpu_canary(int32_t session, uint32_t part);
SLUICE_EXPORT(sluice_gpu_canary_data)  // {"data": pointer, "bytes"}
int32_t sluice_gpu_canary_data(int32_t session, uint32_t kind, uint32_t index);
SLUICE_EXPORT(sluice_gpu_canary_judge)
int32_t sluice_gpu_canary_judge(int32_t session, uint32_t output, const void* data, uint32_t bytes);
SLUICE_EXPORT(sluice_gpu_canary_failed)
int32_t sluice_gpu_canary_failed(int32_t session, uint32_t part, const char* why,
                                 uint32_t why_bytes);
SLUICE_EXPORT(sluice_gpu_canary_verdict)
int32_t sluice_gpu_canary_verdict(int32_t session, const char* about, uint32_t about_bytes);

// The program for the feeds that are set: {"program": id (another than before: what the host holds
// for the earlier one is to be freed), "fresh": true when its pipelines and
// constants are new to the host's device, "complete": false when sizes wait for feeds (pipelines
// only, to compile early), "generation": n (changes when sizes changed: see opcodes.def), "words":
// [pointer, count], "strings": [..] (only when fresh), "islands": [{"node", "op", "reason"}],
// "figures": {dispatches, predicted_peak_bytes .. as in the Binding}}. With no feeds set, at load:
// {"program": 0} when only a run can tell. Missing feeds of a model with several inputs: usage.
SLUICE_EXPORT(sluice_gpu_prepare) int32_t sluice_gpu_prepare(int32_t session);
// Device bytes of a Constant, Input: {"data": pointer, "bytes"}, valid until the next call.
SLUICE_EXPORT(sluice_gpu_constant) int32_t sluice_gpu_constant(int32_t session, uint32_t constant);
SLUICE_EXPORT(sluice_gpu_input) int32_t sluice_gpu_input(int32_t session, uint32_t input);
// An Island instruction: device bytes of each input it lists, the run, then {"data", "bytes"} of
// each output it lists.
SLUICE_EXPORT(sluice_gpu_island_input)
int32_t sluice_gpu_island_input(int32_t session, uint32_t step, uint32_t index, const void* data,
                                uint32_t bytes);
SLUICE_EXPORT(sluice_gpu_island_run) int32_t sluice_gpu_island_run(int32_t session, uint32_t step);
SLUICE_EXPORT(sluice_gpu_island_output)
int32_t sluice_gpu_island_output(int32_t session, uint32_t step, uint32_t index);
// Device bytes read back for an Output. Refused (device) when a word still holds the poison.
SLUICE_EXPORT(sluice_gpu_output)
int32_t sluice_gpu_output(int32_t session, uint32_t output, const void* data, uint32_t bytes);
// After all outputs. `record` is {"seconds"} of the run. Either {"recheck":
// "after run 1"}: the self-test is due again (part 0 once, then a verdict with that "when"), and
// finish is to be called again after it has passed; or {"outputs": [values], "nonfinite": a float
// output holds a NaN or infinity}, and the run is counted into the Binding.
SLUICE_EXPORT(sluice_gpu_finish)
int32_t sluice_gpu_finish(int32_t session, const char* record, uint32_t record_bytes);
// The device is not to be used (any more): `why` is {"stage", "error", "deviceLost": bool}; stage
// "" means that it never was bound (no adapter, gate refused), "idle" that it was lost between
// runs, else it is a failover ("run 3", "gate after run 1"). The session is then bound to the CPU,
// or, when "webgpu" alone was requested and it never was bound, or `strict`, the call fails with
// that sentence. The one call about a GPU that the sluice-cpu modules have.
SLUICE_EXPORT(sluice_gpu_failover)
int32_t sluice_gpu_failover(int32_t session, const char* why, uint32_t why_bytes);

// --- the record. note: things only the host knows: the Binding's read_seconds, init_seconds and
// prepare_seconds, and members it does not have, which its JSON then shows ({"download": {..}}).
// binding: the Binding's JSON, with "console": its line, "events": [lines].
SLUICE_EXPORT(sluice_note) int32_t sluice_note(int32_t session, const char* json, uint32_t bytes);
SLUICE_EXPORT(sluice_binding) int32_t sluice_binding(int32_t session);
// To be called now and then while nothing else is to do, until it gives 0: some milliseconds each
// of what no result waits for (the Binding's weights_sha256, which is "" until it is known).
SLUICE_EXPORT(sluice_work_idly) int32_t sluice_work_idly(int32_t session);
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
