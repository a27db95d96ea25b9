// A session for conformance runs on a device that the host drives: without a self-test of its own,
// which the host has let that device pass once, before the first of thousands of sessions.
#include "wasm/abi.h"
#include "wasm/state.h"

using namespace sluice;
using namespace sluice::wasm;

// `model` is handed over. Returns a session and {"outputs": how many}.
extern "C" SLUICE_EXPORT(sluice_test_open) int32_t
    sluice_test_open(void* model, uint32_t bytes, int32_t webgpu) {
  session::Options options;
  options.backend = webgpu != 0 ? session::Backend::kWebGpu : session::Backend::kCpu;
  options.allow_software = true;
  options.self_test = false;
  const auto* data = static_cast<const std::byte*>(model);
  const auto file = MappedFile::adopt({data, bytes}, owned(model), "model.onnx");
  auto opened = std::make_unique<Session>();
  auto remote = session::RemoteSession::open(file, "model.onnx", options, {});
  if (!remote) return fail(remote.error());
  opened->remote = std::move(remote).value();
  const Json json = {{"outputs", opened->remote->outputs().size()}};
  return reply(json, add(std::move(opened)));
}
