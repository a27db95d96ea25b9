#include "import/import.h"

#include "base/text.h"
#include "import/onnx_import.h"
#include "import/tflite_import.h"

namespace sluice::import {

Result<ir::Graph> import_model(const format::Model& model, const op::Registry& registry,
                               const ImportOptions& options) {
  switch (model.format) {
    case format::Format::kOnnx:
      return import_onnx(model, registry, options);
    case format::Format::kTflite:
      return import_tflite(model, registry, options);
    case format::Format::kGguf:
      break;
  }
  return unsupported(cat("The format of ", quoted(model.source), " can't be imported"));
}

}  // namespace sluice::import
