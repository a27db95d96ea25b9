// Public test data in ONNX's backend-test layout, judged inside the module by the comparison that
// `sluice conformance` uses. The host reads the files.
#include <cstdint>
#include <vector>

#include "base/text.h"
#include "format/onnx/reader.h"
#include "import/import.h"
#include "ops/registry.h"
#include "session/session.h"
#include "tensor/npy.h"
#include "verify/values.h"
#include "wasm/abi.h"
#include "wasm/state.h"

namespace sluice::wasm {
namespace {

bool uses_randomness(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    const op::OpDef* def = ops::registry().find(node.domain, node.op);
    if (def != nullptr && !def->deterministic) return true;
    for (const ir::Subgraph& sub : node.subgraphs) {
      if (uses_randomness(*sub.graph)) return true;
    }
  }
  return false;
}

Result<bool> random_model(std::span<const std::byte> bytes) {
  SLUICE_ASSIGN(const format::Model model, format::onnx::read_onnx(bytes, nullptr, "model.onnx"));
  SLUICE_ASSIGN(const ir::Graph graph, import::import_model(model, ops::registry()));
  return uses_randomness(graph);
}

Result<Value> read_value(std::span<const std::byte> bytes, const Type& type) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), kMagic.size()));
  if (head != kMagic) return format::onnx::read_value_pb(bytes, type);
  SLUICE_ASSIGN(Tensor tensor, read_npy(bytes, "test data"));
  return Value(std::move(tensor));
}

std::span<const std::byte> bytes_of(const void* data, uint32_t bytes) {
  return {static_cast<const std::byte*>(data), bytes};
}

}  // namespace
}  // namespace sluice::wasm

using namespace sluice;
using namespace sluice::wasm;

// 1 when the model draws random numbers, so that only dtypes and shapes are to be compared.
extern "C" SLUICE_EXPORT(sluice_test_random) int32_t
    sluice_test_random(const void* data, uint32_t bytes) {
  const auto random = random_model(bytes_of(data, bytes));
  return random ? done(*random ? 1 : 0) : fail(random.error());
}

// A TensorProto, SequenceProto, OptionalProto or .npy file as input `index`.
extern "C" SLUICE_EXPORT(sluice_test_feed) int32_t
    sluice_test_feed(int32_t handle, uint32_t index, const void* data, uint32_t bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto& inputs = session->remote->inputs();
  auto value =
      read_value(bytes_of(data, bytes), index < inputs.size() ? inputs[index].type : Type{});
  if (!value) return fail(value.error());
  const auto set = session->remote->set_feed(index, std::move(value).value());
  return set ? done() : fail(set.error());
}

// What output `index` of the latest run has to do with the one expected: {"difference"}.
extern "C" SLUICE_EXPORT(sluice_test_compare) int32_t
    sluice_test_compare(int32_t handle, uint32_t index, const void* data, uint32_t bytes,
                        double atol, double rtol, int32_t values) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto& results = session->remote->results();
  if (index >= results.size()) return fail(usage_error(cat("There is no output ", index)));
  const auto want = read_value(bytes_of(data, bytes), session->remote->outputs()[index].type);
  if (!want) return fail(want.error());
  return reply({{"difference",
                 verify::differences(results[index].second, *want, {rtol, atol, 0}, values != 0)}});
}
