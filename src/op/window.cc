#include "op/window.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::op {

namespace {

constexpr int64_t kLimit = int64_t{1} << 31;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

// The attribute, or `count` times `fallback`; every entry in [low, 2^31).
Result<std::vector<int64_t>> read_ints(const AttrMap& attrs, std::string_view name, size_t count,
                                       int64_t fallback, int64_t low) {
  std::vector<int64_t> values = attrs.ints_or(name);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count) {
    return invalid_model(
        cat("Attribute ", name, " has ", values.size(), " entries (needs ", count, ")"));
  }
  for (const int64_t value : values) {
    if (value < low || value >= kLimit) {
      return invalid_model(cat("Attribute ", name, " holds ", value, " (must be at least ", low,
                               " and below 2^31)"));
    }
  }
  return values;
}

}  // namespace

int64_t WindowAxis::first_inside(int64_t k) const {
  return std::clamp<int64_t>(ceil_div(pad_begin - k * dilation, stride), 0, out);
}

int64_t WindowAxis::last_inside(int64_t k) const {
  return std::clamp<int64_t>(ceil_div(in + pad_begin - k * dilation, stride), 0, out);
}

Result<AutoPad> read_auto_pad(const AttrMap& attrs) {
  const std::string name = attrs.string_or("auto_pad", "NOTSET");
  if (name == "NOTSET" || name.empty()) return AutoPad::kNotSet;
  if (name == "VALID") return AutoPad::kValid;
  if (name == "SAME_UPPER") return AutoPad::kSameUpper;
  if (name == "SAME_LOWER") return AutoPad::kSameLower;
  return invalid_model(cat("Attribute auto_pad is ", quoted(name),
                           " (must be NOTSET, VALID, SAME_UPPER or SAME_LOWER)"));
}

Result<WindowAttrs> read_window_attrs(const AttrMap& attrs, int spatial_rank,
                                      std::span<const int64_t> weight_kernel) {
  WindowAttrs out;
  const auto rank = static_cast<size_t>(std::max(spatial_rank, 0));
  SLUICE_ASSIGN(out.auto_pad, read_auto_pad(attrs));
  out.ceil_mode = attrs.int_or("ceil_mode", 0) != 0;
  if (attrs.has("kernel_shape") && !attrs.ints_or("kernel_shape").empty()) {
    SLUICE_ASSIGN(out.kernel, read_ints(attrs, "kernel_shape", rank, 1, 1));
    for (size_t i = 0; i < weight_kernel.size(); ++i) {
      if (weight_kernel[i] >= 0 && i < rank && weight_kernel[i] != out.kernel[i]) {
        return invalid_model(cat("Attribute kernel_shape says ", out.kernel[i],
                                 " for spatial axis ", i, " and the weight's shape says ",
                                 weight_kernel[i]));
      }
    }
  } else if (weight_kernel.size() == rank &&
             std::ranges::all_of(weight_kernel, [](int64_t k) { return k >= 0; })) {
    for (const int64_t k : weight_kernel) {
      if (k < 1 || k >= kLimit) {
        return invalid_model(cat("The weight's shape gives a kernel extent of ", k,
                                 " (must be at least 1 and below 2^31)"));
      }
      out.kernel.push_back(k);
    }
  }
  SLUICE_ASSIGN(out.strides, read_ints(attrs, "strides", rank, 1, 1));
  SLUICE_ASSIGN(out.dilations, read_ints(attrs, "dilations", rank, 1, 1));
  if (out.auto_pad == AutoPad::kNotSet) {
    SLUICE_ASSIGN(out.pads, read_ints(attrs, "pads", 2 * rank, 0, -kLimit));
  } else {
    out.pads.assign(2 * rank, 0);
  }
  return out;
}

Result<WindowAxis> resolve_window_axis(const WindowAttrs& window, int axis, int64_t in) {
  const auto i = static_cast<size_t>(axis);
  const size_t rank = window.strides.size();
  if (window.kernel.size() != rank) {
    return invalid_model("The kernel's extents are not given, neither by attribute nor by weight");
  }
  if (in < 0 || in >= kLimit) {
    return unsupported(cat("A spatial axis has ", in, " elements (the limit is 2^31)"));
  }
  WindowAxis out{.in = in,
                 .kernel = window.kernel[i],
                 .stride = window.strides[i],
                 .dilation = window.dilations[i],
                 .pad_begin = window.pads[i],
                 .pad_end = window.pads[i + rank]};
  // (kernel - 1) * dilation is below 2^62; keep it far from the edge for the sums that follow.
  if (out.extent() >= (int64_t{1} << 40)) {
    return unsupported(cat("A window spans ", out.extent(), " elements (the limit is 2^40)"));
  }
  if (window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower) {
    out.out = ceil_div(in, out.stride);
    const int64_t total = std::max<int64_t>(0, (out.out - 1) * out.stride + out.extent() - in);
    out.pad_begin = window.auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2;
    out.pad_end = total - out.pad_begin;
    return out;
  }
  const int64_t slack = in + out.pad_begin + out.pad_end - out.extent();
  if (window.ceil_mode && window.auto_pad == AutoPad::kNotSet) {
    out.out = ceil_div(slack, out.stride) + 1;
    // A last window that would start beyond the input and its leading padding is dropped.
    if ((out.out - 1) * out.stride >= in + out.pad_begin) --out.out;
  } else {
    out.out = floor_div(slack, out.stride) + 1;
  }
  if (out.out < 0) {
    return invalid_model(cat("A window that spans ", out.extent(), " elements does not fit into ",
                             in + out.pad_begin + out.pad_end, " padded ones"));
  }
  return out;
}

Result<std::vector<WindowAxis>> resolve_window(const WindowAttrs& window,
                                               std::span<const int64_t> in) {
  std::vector<WindowAxis> axes;
  for (size_t i = 0; i < in.size(); ++i) {
    SLUICE_ASSIGN(WindowAxis axis, resolve_window_axis(window, static_cast<int>(i), in[i]));
    axes.push_back(axis);
  }
  return axes;
}

Dim window_output_dim(const WindowAttrs& window, int axis, const Dim& in) {
  if (in.is_known()) {
    const auto resolved = resolve_window_axis(window, axis, in.value());
    return resolved ? Dim(resolved->out) : Dim::unknown();
  }
  const auto i = static_cast<size_t>(axis);
  if (window.kernel.size() != window.strides.size()) return Dim::unknown();
  const Dim stride(window.strides[i]);
  if (window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower) {
    return Dim::ceil_div(in, stride);
  }
  const int64_t begin = window.pads[i];
  const Dim pads(begin + window.pads[i + window.strides.size()]);
  const Dim slack = in + pads - Dim((window.kernel[i] - 1) * window.dilations[i] + 1);
  if (window.ceil_mode && window.auto_pad == AutoPad::kNotSet) {
    // The dropped last window: out <= ceil((in + pad_begin) / stride).
    return Dim::min(Dim::ceil_div(slack, stride) + Dim(1), Dim::ceil_div(in + Dim(begin), stride));
  }
  return Dim::floor_div(slack, stride) + Dim(1);
}

}  // namespace sluice::op
