#include "import/import.h"

#include "base/text.h"
#include "import/onnx_import.h"
#if __has_include("import/tflite_import.cc")
#include "import/tflite_import.h"
#define SLUICE_HAS_TFLITE_IMPORT 1
#endif

namespace sluice::import {

Result<ir::Graph> import_model(const format::Model& model, const op::Registry& registry,
                               const ImportOptions& options) {
  switch (model.format) {
    case format::Format::kOnnx:
      return import_onnx(model, registry, options);
    case format::Format::kTflite:
#ifdef SLUICE_HAS_TFLITE_IMPORT
      return import_tflite(model, registry, options);
#else
      break;
#endif
    case format::Format::kGguf:
      break;
  }
  return unsupported(cat("The format of ", quoted(model.source), " can't be imported"));
}

}  // namespace sluice::import
