// Phase one of porting a model: what is in it, what flows where, what it needs. Reads the file's
// neutral form and, where it imports, the typed graph.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "apps/inspect/report.h"
#include "base/result.h"
#include "format/model.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::apps::inspect {

struct Subject {
  std::string path;
  std::span<const std::byte> bytes;  // of the file
  const format::Model* model = nullptr;
  const ir::Graph* graph = nullptr;  // null when import failed
  std::string import_error;          // why
  // The same graph imported with every symbol of its inputs set to 1, for work and memory; null
  // when there are no symbols or that import failed.
  const ir::Graph* sized = nullptr;
};

Report inspect(const Subject& subject, const op::Registry& registry, const Limits& limits);

// Limits from JSON with WebGPU's own names (maxStorageBuffersPerShaderStage ...); those left out
// keep the guaranteed value.
Result<Limits> parse_limits(std::string_view json_text, std::string_view source);

}  // namespace sluice::apps::inspect
