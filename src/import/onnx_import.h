// ONNX's half of import: names become values, Constant nodes constants, calls of model-local
// functions their bodies, implicit captures of subgraphs explicit ones, and old opsets the newest.
#pragma once

#include "import/import.h"

namespace sluice::import {

Result<ir::Graph> import_onnx(const format::Model& model, const op::Registry& registry,
                              const ImportOptions& options = {});

}  // namespace sluice::import
