#include <algorithm>
#include <map>

#include "base/checked.h"
#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"
#include "ops/einsum/einsum.h"

namespace sluice::ops::einsum {

using plan::KernelContext;

namespace {

// An operand on the way: labels are all different, elements in row-major order.
template <class T>
struct Operand {
  std::vector<int> labels;
  std::vector<int64_t> extents;
  std::vector<T> data;
};

std::vector<int64_t> row_major(const std::vector<int64_t>& extents) {
  std::vector<int64_t> strides(extents.size(), 1);
  for (size_t i = extents.size(); i-- > 1;) strides[i - 1] = strides[i] * extents[i];
  return strides;
}

// Stride with which `operand` is walked when `label` advances.
template <class T>
int64_t stride_of(const Operand<T>& operand, const std::vector<int64_t>& strides, int label) {
  int64_t sum = 0;
  for (size_t i = 0; i < operand.labels.size(); ++i) {
    if (operand.labels[i] == label && operand.extents[i] != 1) sum += strides[i];
  }
  return sum;
}

// Multiplies `a` and `b` (null: 1) and sums over all labels that are not in `keep`.
template <class T>
Result<Operand<T>> contracted(const Operand<T>& a, const Operand<T>* b,
                              const std::vector<int>& keep) {
  std::map<int, int64_t> extent;
  const auto collect = [&](const Operand<T>& operand) {
    for (size_t i = 0; i < operand.labels.size(); ++i) {
      int64_t& known = extent.try_emplace(operand.labels[i], 1).first->second;
      if (operand.extents[i] != 1) known = operand.extents[i];
    }
  };
  collect(a);
  if (b != nullptr) collect(*b);
  Operand<T> out;
  std::vector<int64_t> summed_extents, a_out, b_out, a_sum, b_sum;
  const auto a_strides = row_major(a.extents);
  const auto b_strides = b != nullptr ? row_major(b->extents) : std::vector<int64_t>{};
  const auto b_stride = [&](int label) {
    return b != nullptr ? stride_of(*b, b_strides, label) : 0;
  };
  for (const int label : keep) {
    const auto found = extent.find(label);
    if (found == extent.end()) continue;
    out.labels.push_back(label);
    out.extents.push_back(found->second);
    a_out.push_back(stride_of(a, a_strides, label));
    b_out.push_back(b_stride(label));
  }
  for (const auto& [label, size] : extent) {
    if (std::ranges::find(out.labels, label) != out.labels.end()) continue;
    summed_extents.push_back(size);
    a_sum.push_back(stride_of(a, a_strides, label));
    b_sum.push_back(b_stride(label));
  }
  Checked count(1), terms(1);
  for (const int64_t size : out.extents) count = count * static_cast<uint64_t>(size);
  for (const int64_t size : summed_extents) terms = terms * static_cast<uint64_t>(size);
  if (!count.fits(uint64_t{1} << 28) || !terms.valid()) {
    return resource_error("An intermediate result of Einsum has more than 2^28 elements");
  }
  out.data.resize(static_cast<size_t>(count.value()), T{0});
  if (count.value() == 0 || terms.value() == 0) return out;
  std::vector<int64_t> at(out.extents.size(), 0), at_sum(summed_extents.size(), 0);
  int64_t a_at = 0, b_at = 0;
  // Advances a position in `extents`; false when it has come round to the start.
  const auto advance = [&](std::vector<int64_t>& position, const std::vector<int64_t>& extents,
                           const std::vector<int64_t>& sa, const std::vector<int64_t>& sb,
                           size_t last) {
    for (size_t i = last; i-- > 0;) {
      a_at += sa[i];
      b_at += sb[i];
      if (++position[i] < extents[i]) return true;
      position[i] = 0;
      a_at -= sa[i] * extents[i];
      b_at -= sb[i] * extents[i];
    }
    return false;
  };
  // The last summed label runs in a plain inner loop.
  const size_t inner_axis = summed_extents.empty() ? 0 : summed_extents.size() - 1;
  const int64_t inner = summed_extents.empty() ? 1 : summed_extents.back();
  const int64_t a_step = a_sum.empty() ? 0 : a_sum.back(),
                b_step = b_sum.empty() ? 0 : b_sum.back();
  for (T& result : out.data) {
    T sum{0};
    do {
      const T* pa = a.data.data() + a_at;
      if (b == nullptr) {
        for (int64_t i = 0; i < inner; ++i) sum += pa[i * a_step];
      } else {
        const T* pb = b->data.data() + b_at;
        for (int64_t i = 0; i < inner; ++i) sum += pa[i * a_step] * pb[i * b_step];
      }
    } while (advance(at_sum, summed_extents, a_sum, b_sum, inner_axis));
    result = sum;
    advance(at, out.extents, a_out, b_out, out.extents.size());
  }
  return out;
}

template <class T>
Result<void> run(KernelContext& context, const Equation& equation) {
  const size_t count = equation.inputs.size();
  // Labels that the result or an operand from `from` on still needs.
  const auto needed_after = [&](size_t from) {
    std::vector<int> labels = equation.output;
    for (size_t i = from; i < count; ++i) {
      for (const int label : equation.inputs[i]) {
        if (std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
      }
    }
    return labels;
  };
  Operand<T> acc;
  std::map<int, int64_t> extent;
  for (size_t i = 0; i < count; ++i) {
    const Tensor& in = context.in(static_cast<int>(i));
    Operand<T> raw;
    raw.labels = equation.inputs[i];
    raw.extents.assign(in.shape().begin(), in.shape().end());
    for (size_t k = 0; k < raw.labels.size(); ++k) {
      int64_t& known = extent.try_emplace(raw.labels[k], 1).first->second;
      if (known != 1 && raw.extents[k] != 1 && known != raw.extents[k]) {
        return usage_error(
            cat("Einsum has the extents ", known, " and ", raw.extents[k], " for one label"));
      }
      if (raw.extents[k] != 1) known = raw.extents[k];
    }
    raw.data.resize(static_cast<size_t>(in.elements()));
    for (int64_t e = 0; e < in.elements(); ++e) {
      if constexpr (std::is_same_v<T, double>) {
        raw.data[static_cast<size_t>(e)] = in.get_double(e);
      } else {
        raw.data[static_cast<size_t>(e)] = static_cast<T>(in.get_int(e));
      }
    }
    // Diagonals, and sums over labels of this operand alone, come first: they only make it smaller.
    std::vector<int> keep;
    for (const int label : raw.labels) {
      bool elsewhere = std::ranges::find(equation.output, label) != equation.output.end();
      for (size_t j = 0; j < count; ++j) {
        elsewhere = elsewhere || (j != i && std::ranges::find(equation.inputs[j], label) !=
                                                equation.inputs[j].end());
      }
      if (elsewhere && std::ranges::find(keep, label) == keep.end()) keep.push_back(label);
    }
    if (keep.size() != raw.labels.size()) {
      SLUICE_ASSIGN(raw, contracted<T>(raw, nullptr, keep));
    }
    if (i == 0) {
      acc = std::move(raw);
    } else {
      SLUICE_ASSIGN(acc, contracted<T>(acc, &raw, needed_after(i + 1)));
    }
  }
  if (acc.labels != equation.output) {
    SLUICE_ASSIGN(acc, contracted<T>(acc, nullptr, equation.output));
  }
  SLUICE_ASSIGN(const Shape shape, op::checked_shape(acc.extents));
  SLUICE_ASSIGN(Tensor * out, context.out(0, context.in(0).dtype(), shape));
  for (int64_t e = 0; e < out->elements(); ++e) {
    if constexpr (std::is_same_v<T, double>) {
      out->set_double(e, acc.data[static_cast<size_t>(e)]);
    } else {
      out->set_int(e, static_cast<int64_t>(acc.data[static_cast<size_t>(e)]));
    }
  }
  return {};
}

}  // namespace

Result<void> einsum_reference(KernelContext& context) {
  const op::DTypeSet numbers = op::kNumbers;
  std::vector<int> ranks;
  for (int i = 0; i < context.input_count(); ++i) {
    SLUICE_ASSIGN(const Tensor* in, op::input_tensor(context, i, numbers));
    if (in->dtype() != context.in(0).dtype()) {
      return usage_error(cat("Einsum of ", context.in(0).text(), " and ", in->text()));
    }
    ranks.push_back(in->rank());
  }
  SLUICE_ASSIGN(const Equation equation,
                parse_equation(context.attrs().string_or("equation", ""), ranks));
  if (is_floating(context.in(0).dtype())) return run<double>(context, equation);
  return run<uint64_t>(context, equation);  // unsigned, so that overflow wraps
}

}  // namespace sluice::ops::einsum
