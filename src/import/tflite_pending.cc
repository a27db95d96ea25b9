#include "import/tflite_import.h"

namespace sluice::import {

Result<ir::Graph> import_tflite(const format::Model& /*model*/, const op::Registry& /*registry*/,
                                const ImportOptions& /*options*/) {
  return unsupported("TFLite models can't be imported by this build");
}

}  // namespace sluice::import
