#include "ops/pool/pool.h"

#include <algorithm>

#include "base/text.h"
#include "op/op.h"
#include "op/operand.h"
#include "ops/pool/pool_cpu.h"
#include "ops/pool/pool_kernels.h"

namespace sluice::ops::pool {

using op::InferContext;
using op::WindowAttrs;
using op::WindowAxis;

namespace {

Result<void> check_geometry(const PoolGeometry& geometry) {
  // Extents of 0 count as 1, so that each product is checked even where another extent is 0.
  Shape in{std::max<int64_t>(geometry.batch, 1), std::max<int64_t>(geometry.channels, 1)};
  Shape out = in, kernel;
  for (const WindowAxis& axis : geometry.axes) {
    in.push_back(std::max<int64_t>(axis.in, 1));
    out.push_back(std::max<int64_t>(axis.out, 1));
    kernel.push_back(axis.kernel);
  }
  for (const Shape& shape : {in, out, kernel}) {
    if (!shape.checked_elements()) {
      return resource_error(cat("A window or tensor of shape ", shape.text(), " is too large"));
    }
  }
  return {};
}

Shape spatial_shape(const Shape& x, bool channels_last) {
  Shape out;
  for (int i = channels_last ? 1 : 2; i < x.rank() - (channels_last ? 1 : 0); ++i) {
    out.push_back(x[i]);
  }
  return out;
}

}  // namespace

int64_t PoolGeometry::in_elems() const {
  int64_t n = 1;
  for (const WindowAxis& axis : axes) n *= axis.in;
  return n;
}
int64_t PoolGeometry::out_elems() const {
  int64_t n = 1;
  for (const WindowAxis& axis : axes) n *= axis.out;
  return n;
}

Result<PoolGeometry> pool_geometry(const AttrMap& attrs, const Shape& x, bool channels_last) {
  if (x.rank() < 3) return usage_error(cat("Input ", x.text(), " must have rank 3 or more"));
  PoolGeometry out{
      .batch = x[0], .channels = channels_last ? x[-1] : x[1], .channels_last = channels_last};
  SLUICE_ASSIGN(const WindowAttrs window, op::read_window_attrs(attrs, x.rank() - 2));
  SLUICE_ASSIGN(out.axes, op::resolve_window(window, spatial_shape(x, channels_last).dims()));
  SLUICE_TRY(check_geometry(out));
  return out;
}

Result<PoolGeometry> global_pool_geometry(const Shape& x, bool channels_last) {
  if (x.rank() < 2) return usage_error(cat("Input ", x.text(), " must have rank 2 or more"));
  PoolGeometry out{
      .batch = x[0], .channels = channels_last ? x[-1] : x[1], .channels_last = channels_last};
  for (const int64_t extent : spatial_shape(x, channels_last)) {
    out.axes.push_back({.in = extent, .kernel = std::max<int64_t>(extent, 1), .out = 1});
  }
  SLUICE_TRY(check_geometry(out));
  return out;
}

Shape pool_output_shape(const PoolGeometry& geometry) {
  Shape out{geometry.batch};
  if (!geometry.channels_last) out.push_back(geometry.channels);
  for (const WindowAxis& axis : geometry.axes) out.push_back(axis.out);
  if (geometry.channels_last) out.push_back(geometry.channels);
  return out;
}

Result<Shape> unpooled_shape(const AttrMap& attrs, const Shape& x) {
  if (x.rank() < 3) return usage_error(cat("Input ", x.text(), " must have rank 3 or more"));
  const int rank = x.rank() - 2;
  SLUICE_ASSIGN(const WindowAttrs window, op::read_window_attrs(attrs, rank));
  if (window.kernel.empty()) return invalid_model("Attribute kernel_shape is missing");
  Shape out{x[0], x[1]};
  for (int i = 0; i < rank; ++i) {
    const auto at = static_cast<size_t>(i);
    int64_t extent = 0;
    if (__builtin_mul_overflow(x[i + 2] - 1, window.strides[at], &extent) ||
        __builtin_add_overflow(extent, window.kernel[at], &extent) ||
        __builtin_sub_overflow(extent, window.pads[at], &extent) ||
        __builtin_sub_overflow(extent, window.pads[at + static_cast<size_t>(rank)], &extent) ||
        extent < 0) {
      return usage_error(cat("Spatial axis ", i, " of the unpooled output has no valid extent"));
    }
    out.push_back(extent);
  }
  if (!out.checked_elements()) {
    return resource_error(cat("A tensor of shape ", out.text(), " is too large to address"));
  }
  return out;
}

namespace {

// --- inference

// Output dims of a windowed pooling over input 0; nothing when its rank is not known.
Result<std::optional<Dims>> pooled_dims(const InferContext& context, bool channels_last) {
  const Type& type = context.input_type(0);
  const auto attr_kernel = context.attrs().ints_or("kernel_shape");
  if (attr_kernel.empty()) return context.fail("attribute kernel_shape is missing");
  const size_t rank = type.has_rank() ? type.dims->size() : attr_kernel.size() + 2;
  if (rank < 3 || rank > kMaxRank) {
    return context.fail(cat("the input's rank is ", rank, " (must be 3 to ", kMaxRank, ")"));
  }
  const auto window = op::read_window_attrs(context.attrs(), static_cast<int>(rank) - 2);
  if (!window) return context.fail(window.error().message);
  if (!type.has_rank()) return std::optional<Dims>(Dims(rank, Dim::unknown()));
  const Dims& in = *type.dims;
  if (const auto shape = to_shape(in)) {
    const auto geometry = pool_geometry(context.attrs(), *shape, channels_last);
    if (!geometry) return context.fail(geometry.error().message);
  }
  Dims out = in;
  const size_t first = channels_last ? 1 : 2;
  for (size_t i = 0; i < rank - 2; ++i) {
    out[i + first] = op::window_output_dim(*window, static_cast<int>(i), in[i + first]);
  }
  return std::optional<Dims>(std::move(out));
}

Result<void> infer_max_pool(InferContext& context) {
  SLUICE_ASSIGN(
      const DType dtype,
      op::input_dtype(context, 0, op::kFloats | op::DTypeSet{DType::kInt8, DType::kUInt8}));
  SLUICE_ASSIGN(auto dims, pooled_dims(context, false));
  const int64_t order = context.attrs().int_or("storage_order", 0);
  if (order != 0 && order != 1) {
    return context.fail(cat("attribute storage_order is ", order, " (must be 0 or 1)"));
  }
  if (context.has_output(1)) context.set_output(1, DType::kInt64, *dims);
  context.set_output(0, dtype, std::move(*dims));
  return {};
}

Result<void> infer_float_pool(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  SLUICE_ASSIGN(auto dims, pooled_dims(context, false));
  context.set_output(0, dtype, std::move(*dims));
  return {};
}

Result<void> set_global_output(InferContext& context, DType dtype, bool channels_last) {
  const Type& type = context.input_type(0);
  if (!type.has_rank()) {
    context.set_output(0, dtype);
    return {};
  }
  Dims out = *type.dims;
  if (out.size() < 2)
    return context.fail(cat("the input's rank is ", out.size(), " (must be 2 or more)"));
  const size_t first = channels_last ? 1 : 2;
  for (size_t i = 0; i + 2 < out.size(); ++i) out[i + first] = Dim(1);
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_global_pool(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  return set_global_output(context, dtype, false);
}

constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};

Result<void> infer_qlinear_average_pool(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kBytes));
  SLUICE_ASSIGN(auto dims, pooled_dims(context, context.attrs().int_or("channels_last", 0) != 0));
  context.set_output(0, dtype, std::move(*dims));
  return {};
}

Result<void> infer_qlinear_global_average_pool(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kBytes));
  return set_global_output(context, dtype, context.attrs().int_or("channels_last", 0) != 0);
}

Result<void> infer_max_unpool(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const Type& type = context.input_type(0);
  if (context.has_input(2)) {
    if (auto shape = context.ints(2)) {
      context.set_output(0, dtype, std::move(*shape));
      return {};
    }
  } else if (const auto shape = type.shape()) {
    const auto out = unpooled_shape(context.attrs(), *shape);
    if (!out) return context.fail(out.error().message);
    context.set_output(0, dtype, to_dims(*out));
    return {};
  }
  if (type.has_rank()) {
    Dims out(type.dims->size(), Dim::unknown());
    for (size_t i = 0; i < 2 && i < out.size(); ++i) out[i] = (*type.dims)[i];
    context.set_output(0, dtype, std::move(out));
  } else {
    context.set_output(0, dtype);
  }
  return {};
}

// [regions, channels, height, width] from X (input 0) and the regions (input 1).
void set_roi_output(InferContext& context, DType dtype, int64_t height, int64_t width) {
  const Type& x = context.input_type(0);
  const Type& rois = context.input_type(1);
  context.set_output(0, dtype,
                     {rois.has_rank() && !rois.dims->empty() ? (*rois.dims)[0] : Dim::unknown(),
                      x.has_rank() && x.dims->size() > 1 ? (*x.dims)[1] : Dim::unknown(),
                      Dim(height), Dim(width)});
}

Result<void> infer_max_roi_pool(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 2, op::kFloats));
  const auto pooled = context.attrs().ints_or("pooled_shape");
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1) {
    return context.fail("attribute pooled_shape must be two positive numbers");
  }
  set_roi_output(context, dtype, pooled[0], pooled[1]);
  return {};
}

Result<void> infer_roi_align(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 2, op::kFloats));
  SLUICE_TRY(op::input_dtype(context, 2, op::kIndices));
  const int64_t height = context.attrs().int_or("output_height", 1);
  const int64_t width = context.attrs().int_or("output_width", 1);
  if (height < 1 || width < 1) {
    return context.fail(cat("the output is ", height, " x ", width, " (must be positive)"));
  }
  set_roi_output(context, dtype, height, width);
  return {};
}

// Before opset 16 there was no half-pixel shift.
Result<void> upgrade_roi_align(op::UpgradeContext& context) {
  if (context.opset < 16 && !context.node.attrs.has("coordinate_transformation_mode")) {
    context.node.attrs.set("coordinate_transformation_mode", std::string("output_half_pixel"));
  }
  return {};
}

// --- cost: one flop per element seen

op::Cost window_cost(const op::NodeView& node) {
  const auto out = node.output_type(0).shape();
  if (!out) return {};
  double flops = 1;
  for (const int64_t extent : *out) flops *= static_cast<double>(extent);
  for (const int64_t k : node.attrs().ints_or("kernel_shape")) flops *= static_cast<double>(k);
  return {flops};
}
op::Cost input_cost(const op::NodeView& node) {
  const auto in = node.input_type(0).shape();
  if (!in) return {};
  double flops = 1;
  for (const int64_t extent : *in) flops *= static_cast<double>(extent);
  return {flops};
}

constexpr op::OpDef kOps[] = {
    {.name = "MaxPool",
     .min_inputs = 1,
     .max_inputs = 1,
     .max_outputs = 2,
     .infer = infer_max_pool,
     .reference = max_pool_reference,
     .cpu = kMaxPoolCpu,
     .cost = window_cost},
    {.name = "AveragePool",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_float_pool,
     .reference = average_pool_reference,
     .cpu = kAveragePoolCpu,
     .cost = window_cost},
    {.name = "LpPool",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_float_pool,
     .reference = lp_pool_reference,
     .cost = window_cost},
    {.name = "GlobalMaxPool",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_global_pool,
     .reference = global_max_pool_reference,
     .cpu = kGlobalMaxPoolCpu,
     .cost = input_cost},
    {.name = "GlobalAveragePool",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_global_pool,
     .reference = global_average_pool_reference,
     .cpu = kGlobalAveragePoolCpu,
     .cost = input_cost},
    {.name = "GlobalLpPool",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_global_pool,
     .reference = global_lp_pool_reference,
     .cost = input_cost},
    {.name = "MaxUnpool",
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_max_unpool,
     .reference = max_unpool_reference},
    {.name = "MaxRoiPool",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_max_roi_pool,
     .reference = max_roi_pool_reference},
    {.name = "RoiAlign",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_roi_align,
     .reference = roi_align_reference,
     .upgrade = upgrade_roi_align},
    {.name = "QLinearAveragePool",
     .domain = "com.microsoft",
     .min_inputs = 4,
     .max_inputs = 5,
     .infer = infer_qlinear_average_pool,
     .reference = qlinear_average_pool_reference,
     .cost = window_cost,
     .nonstandard = "AveragePool of 8-bit tensors, written by onnxruntime's quantizer"},
    {.name = "QLinearGlobalAveragePool",
     .domain = "com.microsoft",
     .min_inputs = 5,
     .max_inputs = 5,
     .infer = infer_qlinear_global_average_pool,
     .reference = qlinear_global_average_pool_reference,
     .cost = input_cost,
     .nonstandard = "GlobalAveragePool of 8-bit tensors, written by onnxruntime's quantizer"},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kOps; }

}  // namespace sluice::ops::pool
