#include "op/refuse.h"

#include "base/text.h"

namespace sluice::op {

std::string refuse_unless_float32(const NodeView& node, int i) {
  if (!node.has_input(i)) return {};
  const Type& type = node.input_type(i);
  if (type.is_tensor() && type.dtype == DType::kFloat32) return {};
  return cat("input ", i, " is ", type.text(), " (takes float32)");
}

std::string refuse_unless_float32(const NodeView& node) {
  for (int i = 0; i < node.input_count(); ++i) {
    if (std::string why = refuse_unless_float32(node, i); !why.empty()) return why;
  }
  return {};
}

}  // namespace sluice::op
