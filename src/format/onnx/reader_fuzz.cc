// libFuzzer harness: arbitrary bytes through the ONNX reader and the importer, and as test data.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "format/caps.h"
#include "format/onnx/reader.h"
#include "import/import.h"
#include "ops/registry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  uint64_t memory = 0;
  format::onnx::ReadOptions options;
  options.memory_used = &memory;
  auto model = format::onnx::read_onnx(bytes, nullptr, "fuzz", options);
  if (model) {
    SLUICE_CHECK(memory <= format::caps::kMemoryFactor * size + format::caps::kMemorySlack);
    import::ImportOptions look;
    look.allow_unknown = true;
    for (const auto& how : {import::ImportOptions{}, look}) {
      auto graph = import::import_model(*model, ops::registry(), how);
      SLUICE_CHECK(graph || graph.error().code != ErrorCode::kInternal);
    }
  } else {
    SLUICE_CHECK(model.error().code != ErrorCode::kInternal);
  }
  (void)format::onnx::read_value_pb(bytes, Type::tensor(DType::kFloat32)).ok();
  (void)format::onnx::read_value_pb(bytes, Type::sequence({})).ok();
  (void)format::onnx::read_value_pb(bytes, Type::optional({})).ok();
  return 0;
}
