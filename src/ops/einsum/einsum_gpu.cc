// How Einsum runs on the GPU: operands are joined from left to right, as in the reference, each
// join one contraction that walks its operands by strides, so nothing is transposed first.
#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "op/gpu_copy.h"
#include "op/lower.h"
#include "ops/einsum/einsum.h"
#include "shader/contract.h"
#include "shader/contract64.h"
#include "shader/contract_rows.h"
#include "shader/contract_tiles.h"

namespace sluice::ops::einsum {

namespace {

using op::LowerContext;
using plan::DeviceFormat;

struct Operand {
  plan::SlotId slot = plan::kNoSlot;
  DeviceFormat format = DeviceFormat::kF32;
  std::vector<int> labels;
  std::vector<int64_t> extents;

  // How far one step along `label` leads; 0 where it is absent or has only one element.
  int64_t stride(int label) const {
    int64_t sum = 0, stride = 1;
    for (size_t i = labels.size(); i-- > 0; stride *= extents[i]) {
      if (labels[i] == label && extents[i] != 1) sum += stride;
    }
    return sum;
  }
  bool has(int label) const { return std::ranges::find(labels, label) != labels.end(); }
};

// Axes that several walks share, as parallel lists.
struct Walk {
  Dims shape, a, b, y;
  void add(int64_t extent, int64_t a_stride, int64_t b_stride, int64_t y_stride) {
    shape.emplace_back(extent);
    a.emplace_back(a_stride);
    b.emplace_back(b_stride);
    y.emplace_back(y_stride);
  }
  void merge() { op::merge_axes(shape, {&a, &b, &y}); }
};

class Lowering {
 public:
  Lowering(LowerContext& context, DeviceFormat format, uint32_t bits)
      : context_(context), format_(format), bits_(bits) {}

  bool is_float() const { return format_ == DeviceFormat::kF32 || format_ == DeviceFormat::kF16; }

  // a (times b, unless null) summed over all labels but `keep`, which is the order of the result's
  // axes. `to` kNoSlot: a new temporary.
  Result<Operand> contract(const Operand& a, const Operand* b, const std::vector<int>& keep,
                           plan::SlotId to) {
    std::map<int, int64_t> extent;
    const auto collect = [&](const Operand& operand) {
      for (size_t i = 0; i < operand.labels.size(); ++i) {
        int64_t& known = extent.try_emplace(operand.labels[i], 1).first->second;
        if (operand.extents[i] != 1) known = operand.extents[i];
      }
    };
    collect(a);
    if (b != nullptr) collect(*b);
    Operand out;
    for (const int label : keep) {
      const auto found = extent.find(label);
      if (found == extent.end()) continue;
      out.labels.push_back(label);
      out.extents.push_back(found->second);
    }
    Dim count(1);
    for (const int64_t size : out.extents) count = count * Dim(size);
    constexpr int64_t kMost = int64_t{1} << 30;
    if (!count.is_known() || count.value() > kMost) {
      return context_.refuse("an intermediate result has more than 2^30 elements");
    }
    out.format = to != plan::kNoSlot ? format_ : is_float() ? DeviceFormat::kF32 : format_;
    out.slot = to != plan::kNoSlot ? to : context_.temp(out.format, Dim::max(count, Dim(1)));
    const auto b_stride = [&](int label) { return b != nullptr ? b->stride(label) : 0; };
    Walk kept, summed, batch, rows, columns;
    for (size_t i = 0; i < out.labels.size(); ++i) {
      const int label = out.labels[i];
      int64_t y_stride = 1;
      for (size_t k = i + 1; k < out.labels.size(); ++k) y_stride *= out.extents[k];
      kept.add(out.extents[i], a.stride(label), b_stride(label), y_stride);
      const bool in_a = a.stride(label) != 0, in_b = b_stride(label) != 0;
      (in_a == in_b ? batch
       : in_a       ? rows
                    : columns)
          .add(out.extents[i], a.stride(label), b_stride(label), y_stride);
    }
    bool shared_sums = true;
    for (const auto& [label, size] : extent) {
      if (out.has(label)) continue;
      summed.add(size, a.stride(label), b_stride(label), 0);
      shared_sums = shared_sums && (size == 1 || (a.stride(label) != 0 && b_stride(label) != 0));
    }
    summed.merge();
    if (b != nullptr && is_float() && shared_sums &&
        tiles(a, *b, out, batch, rows, columns, summed)) {
      return out;
    }
    kept.merge();
    if (kept.shape.size() > 8 || summed.shape.size() > 8) {
      return context_.refuse("more than 8 axes are left after merging");
    }
    const Dim terms = op::elements(summed.shape);
    if (format_ == DeviceFormat::kI64 || format_ == DeviceFormat::kU64) {
      context_.dispatch(shader::contract64::Call{
          .knobs = {.HAS_B = b != nullptr,
                    .OUT_AXES = static_cast<uint32_t>(kept.shape.size()),
                    .SUM_AXES = static_cast<uint32_t>(summed.shape.size())},
          .params = {.out_shape = op::eight(kept.shape, Dim(1)),
                     .a_out = op::eight(kept.a, Dim(0)),
                     .b_out = op::eight(kept.b, Dim(0)),
                     .sum_shape = op::eight(summed.shape, Dim(1)),
                     .a_sum = op::eight(summed.a, Dim(0)),
                     .b_sum = op::eight(summed.b, Dim(0)),
                     .n = count,
                     .terms = terms},
          .a = a.slot,
          .b = b != nullptr ? b->slot : plan::kNoSlot,
          .y = out.slot,
          .workgroups = op::workgroups(count, 64)});
      return out;
    }
    const bool floating = is_float();
    const auto filled = [&](auto call) {
      call.knobs.TA = plan::wgsl_type(a.format);
      call.knobs.TB = plan::wgsl_type(b != nullptr ? b->format : a.format);
      call.knobs.TY = plan::wgsl_type(out.format);
      call.knobs.S = floating ? "f32" : plan::wgsl_type(format_);
      call.knobs.I = format_ == DeviceFormat::kU32 ? "u32" : "i32";
      call.knobs.FLOAT = floating;
      call.knobs.HAS_B = b != nullptr;
      call.knobs.BITS = bits_;
      call.knobs.OUT_AXES = static_cast<uint32_t>(kept.shape.size());
      call.knobs.SUM_AXES = static_cast<uint32_t>(summed.shape.size());
      call.params.out_shape = op::eight(kept.shape, Dim(1));
      call.params.a_out = op::eight(kept.a, Dim(0));
      call.params.b_out = op::eight(kept.b, Dim(0));
      call.params.sum_shape = op::eight(summed.shape, Dim(1));
      call.params.a_sum = op::eight(summed.a, Dim(0));
      call.params.b_sum = op::eight(summed.b, Dim(0));
      call.params.n = count;
      call.params.terms = terms;
      call.a = a.slot;
      call.b = b != nullptr ? b->slot : plan::kNoSlot;
      call.y = out.slot;
      return call;
    };
    // One invocation for each of few elements would leave the device idle, and take long.
    if (count.value() <= 4096 && terms.is_known() && terms.value() >= 256) {
      auto call = filled(shader::contract_rows::Call{});
      call.workgroups = count;
      context_.dispatch(call);
    } else {
      auto call = filled(shader::contract::Call{});
      call.workgroups = op::workgroups(count, 64);
      context_.dispatch(call);
    }
    return out;
  }

 private:
  // As products of matrices, when rows, columns and sums are one axis each and large enough for
  // tiles not to be mostly empty.
  bool tiles(const Operand& a, const Operand& b, const Operand& out, Walk batch, Walk rows,
             Walk columns, const Walk& summed) {
    batch.merge();
    rows.merge();
    columns.merge();
    if (batch.shape.size() > 8 || rows.shape.size() != 1 || columns.shape.size() != 1 ||
        summed.shape.size() != 1) {
      return false;
    }
    const Dim m = rows.shape[0], n = columns.shape[0], k = summed.shape[0];
    if (m.value() < 8 || n.value() < 8 || k.value() < 4) return false;
    const Dim m_tiles = Dim::ceil_div(m, Dim(64)), n_tiles = Dim::ceil_div(n, Dim(64));
    const Dim batches = op::elements(batch.shape);
    context_.dispatch(shader::contract_tiles::Call{
        .knobs = {.TA = plan::wgsl_type(a.format),
                  .TB = plan::wgsl_type(b.format),
                  .TY = plan::wgsl_type(out.format),
                  .A_ALONG_K = summed.a[0] == Dim(1),
                  .B_ALONG_K = summed.b[0] == Dim(1),
                  .BATCH_AXES = static_cast<uint32_t>(batch.shape.size())},
        .params = {.batch_shape = op::eight(batch.shape, Dim(1)),
                   .batch_a = op::eight(batch.a, Dim(0)),
                   .batch_b = op::eight(batch.b, Dim(0)),
                   .batch_y = op::eight(batch.y, Dim(0)),
                   .batches = batches,
                   .m = m,
                   .n = n,
                   .k = k,
                   .a_m = rows.a[0],
                   .a_k = summed.a[0],
                   .b_k = summed.b[0],
                   .b_n = columns.b[0],
                   .y_m = rows.y[0],
                   .y_n = columns.y[0],
                   .m_tiles = m_tiles,
                   .n_tiles = n_tiles},
        .a = a.slot,
        .b = b.slot,
        .y = out.slot,
        .workgroups = batches * m_tiles * n_tiles});
    return true;
  }

  LowerContext& context_;
  DeviceFormat format_;
  uint32_t bits_;
};

Result<void> lower_einsum(LowerContext& context) {
  if (const std::string large = op::oversized(context); !large.empty()) {
    return context.refuse(large);
  }
  const DeviceFormat format = context.out_format(0);
  const bool is_float = format == DeviceFormat::kF32 || format == DeviceFormat::kF16;
  if (format == DeviceFormat::kNone || format == DeviceFormat::kF64) {
    return context.refuse("float64 is not computed on the device");
  }
  const auto count = static_cast<size_t>(context.input_count());
  std::vector<int> ranks;
  for (size_t i = 0; i < count; ++i) {
    ranks.push_back(static_cast<int>(context.in_dims(static_cast<int>(i)).size()));
  }
  const auto parsed = parse_equation(context.attrs().string_or("equation", ""), ranks);
  if (!parsed.ok()) return context.refuse(parsed.error().message);
  const Equation& equation = *parsed;
  const uint32_t bits =
      is_float
          ? 32u
          : std::min<uint32_t>(32, static_cast<uint32_t>(dtype_bits(context.output_type(0).dtype)));
  Lowering lowering(context, format, bits);
  const auto needed_after = [&](size_t from) {
    std::vector<int> labels = equation.output;
    for (size_t i = from; i < count; ++i) {
      for (const int label : equation.inputs[i]) {
        if (std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
      }
    }
    return labels;
  };
  Operand acc;
  for (size_t i = 0; i < count; ++i) {
    SLUICE_ASSIGN(const Shape shape, context.static_in(static_cast<int>(i)));
    Operand raw{.slot = context.in(static_cast<int>(i)),
                .format = context.in_format(static_cast<int>(i)),
                .labels = equation.inputs[i]};
    raw.extents.assign(shape.begin(), shape.end());
    if (count == 1) {
      SLUICE_TRY(lowering.contract(raw, nullptr, equation.output, context.out(0)));
      return {};
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
      SLUICE_ASSIGN(raw, lowering.contract(raw, nullptr, keep, plan::kNoSlot));
    }
    if (i == 0) {
      acc = std::move(raw);
      continue;
    }
    const bool last = i + 1 == count;
    SLUICE_ASSIGN(acc, lowering.contract(acc, &raw, last ? equation.output : needed_after(i + 1),
                                         last ? context.out(0) : plan::kNoSlot));
  }
  return {};
}

constexpr op::GpuCandidate kEinsum = {"einsum.contract", &lower_einsum};

}  // namespace

std::span<const op::GpuCandidate> gpu_candidates(std::string_view domain, std::string_view name) {
  if (domain.empty() && name == "Einsum") return {&kEinsum, 1};
  return {};
}

}  // namespace sluice::ops::einsum
