#include "op/join.h"

namespace sluice::op {

Type joined(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.kind == Type::Kind::kUnknown) return {};
  if (!a.is_tensor()) {
    if (a.elem == nullptr || b.elem == nullptr) return a.elem == nullptr ? a : b;
    Type elem = joined(*a.elem, *b.elem);
    return a.kind == Type::Kind::kSequence ? Type::sequence(std::move(elem))
                                           : Type::optional(std::move(elem));
  }
  Type out = Type::tensor(a.dtype == b.dtype ? a.dtype : DType::kUndefined);
  if (!a.dims || !b.dims || a.dims->size() != b.dims->size()) return out;
  out.dims = *a.dims;
  for (size_t i = 0; i < out.dims->size(); ++i) {
    if (!((*a.dims)[i] == (*b.dims)[i])) (*out.dims)[i] = Dim::unknown();
  }
  return out;
}

}  // namespace sluice::op
