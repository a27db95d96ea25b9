// TFLite's half of import: builtin operators become compositions of ONNX operators, and quantized
// tensors explicit QuantizeLinear and DequantizeLinear around float operators. Values keep the
// names and the NHWC layout of TFLite; NCHW operators stand between Transposes, which
// passes/eliminate_transpose moves out of the way.
#pragma once

#include "import/import.h"

namespace sluice::import {

Result<ir::Graph> import_tflite(const format::Model& model, const op::Registry& registry,
                                const ImportOptions& options = {});

}  // namespace sluice::import
