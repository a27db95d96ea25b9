#include "ops/resize/resize.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "op/op.h"
#include "op/operand.h"
#include "ops/resize/resize_cpu.h"
#include "ops/resize/resize_kernels.h"

namespace sluice::ops::resize {

using op::InferContext;
using op::UpgradeContext;

namespace {

constexpr op::DTypeSet kResizable = op::kNumbers | op::kBools | op::kStrings | op::kComplexes;

// An optional operand's contents when they are known at load time.
std::optional<std::vector<double>> known_reals(const op::NodeView& node, int i) {
  if (!node.has_input(i)) return std::vector<double>{};
  const Tensor* tensor = node.constant(i);
  if (tensor == nullptr || !op::kNumbers.has(tensor->dtype())) return std::nullopt;
  return tensor->to_doubles();
}

// extent * scale, rounded down, when that can be said exactly for every extent.
Dim scaled(const Dim& extent, double scale) {
  if (scale >= 1 && scale == std::floor(scale) && scale < 1e9) {
    return extent * Dim(static_cast<int64_t>(scale));
  }
  // A power of two in the denominator: float32 divides exactly.
  for (int64_t divisor = 2; divisor <= 1024; divisor *= 2) {
    if (scale * static_cast<double>(divisor) == 1) return Dim::floor_div(extent, Dim(divisor));
  }
  return Dim::unknown();
}

Result<void> infer_resize(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, kResizable));
  const auto attrs = read_resize_attrs(context.attrs());
  if (!attrs) return context.fail(attrs.error().message);
  const Type& x = context.input_type(0);
  if (!x.has_rank()) {
    context.set_output(0, dtype);
    return {};
  }
  const Dims& in = *x.dims;
  const auto roi = known_reals(context, 1), scales = known_reals(context, 2);
  auto sizes = context.has_input(3) ? context.ints(3) : std::optional<Dims>(Dims{});
  const bool crop = attrs->coordinates == "tf_crop_and_resize";
  const auto shape = x.shape();
  const auto known_sizes = sizes ? to_shape(*sizes) : std::nullopt;
  if (shape && scales && known_sizes && (roi || !crop)) {
    const auto extents =
        resize_sizes(context.attrs(), *shape, roi ? *roi : std::vector<double>{}, *scales,
                     std::vector<int64_t>(known_sizes->begin(), known_sizes->end()));
    if (!extents) return context.fail(extents.error().message);
    context.set_output(0, dtype, to_dims(resize_output_shape(*extents)));
    return {};
  }
  // Axis by axis, as far as it goes.
  std::vector<int64_t> named = context.attrs().ints_or("axes");
  Dims out(in.size(), Dim::unknown());
  if (!named.empty()) out = in;
  if (named.empty()) {
    for (size_t i = 0; i < in.size(); ++i) named.push_back(static_cast<int64_t>(i));
  }
  for (size_t i = 0; i < named.size(); ++i) {
    const auto axis = op::normalized_axis(named[i], static_cast<int>(in.size()));
    if (!axis) return context.fail(axis.error().message);
    const auto at = static_cast<size_t>(*axis);
    out[at] = Dim::unknown();
    if (sizes && !sizes->empty() && i < sizes->size() && attrs->policy == "stretch") {
      out[at] = (*sizes)[i];
    } else if (scales && i < scales->size()) {
      out[at] = scaled(in[at], (*scales)[i]);
    }
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_grid_sample(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kNumbers | op::kBools));
  SLUICE_TRY(op::input_dtype(context, 1, op::kFloats));
  const auto sampling = read_grid_sampling(context.attrs());
  if (!sampling) return context.fail(sampling.error().message);
  const Type &x = context.input_type(0), &grid = context.input_type(1);
  const size_t rank = x.has_rank() ? x.dims->size() : grid.has_rank() ? grid.dims->size() : 0;
  if (rank == 0) {
    context.set_output(0, dtype);
    return {};
  }
  if (rank < 3 || (x.has_rank() && grid.has_rank() && x.dims->size() != grid.dims->size())) {
    return context.fail(
        cat("input ", x.text(), " and grid ", grid.text(), " must have the same rank, at least 3"));
  }
  Dims out(rank, Dim::unknown());
  if (x.has_rank()) out[1] = (*x.dims)[1];
  out[0] = x.has_rank() ? (*x.dims)[0] : (*grid.dims)[0];
  for (size_t i = 2; i < rank && grid.has_rank(); ++i) out[i] = (*grid.dims)[i - 1];
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_affine_grid(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const auto size = context.ints(1);
  if (!size) {
    context.set_output(0, dtype);
    return {};
  }
  if (size->size() != 4 && size->size() != 5) {
    return context.fail(cat("the size has ", size->size(), " entries (needs 4 or 5)"));
  }
  Dims out{(*size)[0]};
  out.insert(out.end(), size->begin() + 2, size->end());
  out.emplace_back(static_cast<int64_t>(size->size()) - 2);
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_crop_and_resize(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  const Type &x = context.input_type(0), &rois = context.input_type(1);
  const auto crop = context.ints(3);
  const bool known = crop && crop->size() == 2;
  context.set_output(0, dtype,
                     {rois.has_rank() && !rois.dims->empty() ? (*rois.dims)[0] : Dim::unknown(),
                      x.has_rank() && x.dims->size() == 4 ? (*x.dims)[1] : Dim::unknown(),
                      known ? (*crop)[0] : Dim::unknown(), known ? (*crop)[1] : Dim::unknown()});
  return {};
}

Result<void> infer_center_crop_pad(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  const Type& x = context.input_type(0);
  std::vector<int64_t> axes = context.attrs().ints_or("axes");
  const auto wanted = context.ints(1);
  if (!x.has_rank()) {
    context.set_output(0, dtype);
    return {};
  }
  Dims out = *x.dims;
  if (axes.empty()) {
    for (size_t i = 0; i < out.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (wanted && wanted->size() != axes.size()) {
    return context.fail(cat("there are ", wanted->size(), " extents for ", axes.size(), " axes"));
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = op::normalized_axis(axes[i], static_cast<int>(out.size()));
    if (!axis) return context.fail(axis.error().message);
    out[static_cast<size_t>(*axis)] = wanted ? (*wanted)[i] : Dim::unknown();
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_col2im(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kNumbers));
  const Type& x = context.input_type(0);
  const auto image = context.ints(1), block = context.ints(2);
  if (!image) {
    context.set_output(0, dtype);
    return {};
  }
  Dims out(2, Dim::unknown());
  if (x.has_rank() && x.dims->size() == 3) {
    out[0] = (*x.dims)[0];
    if (block) out[1] = Dim::floor_div((*x.dims)[1], product(*block, 0, block->size()));
  }
  out.insert(out.end(), image->begin(), image->end());
  context.set_output(0, dtype, std::move(out));
  return {};
}

Result<void> infer_blocks(InferContext& context, bool to_space) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0));
  const int64_t block = context.attrs().int_or("blocksize", 0);
  if (block < 1 || block > (int64_t{1} << 20)) {
    return context.fail(cat("attribute blocksize is ", block, " (must be 1 to 2^20)"));
  }
  const Type& x = context.input_type(0);
  if (!x.has_rank()) {
    context.set_output(0, dtype, Dims(4, Dim::unknown()));
    return {};
  }
  if (x.dims->size() != 4)
    return context.fail(cat("the input is ", x.text(), " (must have rank 4)"));
  Dims out = *x.dims;
  const Dim side(block), area(block * block);
  const auto divides = [](const Dim& extent, const Dim& by) {
    return !extent.is_known() || extent.value() % by.value() == 0;
  };
  if (to_space ? !divides(out[1], area) : !divides(out[2], side) || !divides(out[3], side)) {
    return context.fail(
        cat("the input is ", x.text(), ", which does not divide into blocks of ", block));
  }
  if (to_space) {
    out[1] = Dim::floor_div(out[1], area);
    for (size_t i = 2; i < 4; ++i) out[i] = out[i] * side;
  } else {
    out[1] = out[1] * area;
    for (size_t i = 2; i < 4; ++i) out[i] = Dim::floor_div(out[i], side);
  }
  context.set_output(0, dtype, std::move(out));
  return {};
}
Result<void> infer_depth_to_space(InferContext& context) { return infer_blocks(context, true); }
Result<void> infer_space_to_depth(InferContext& context) { return infer_blocks(context, false); }

// --- upgrades

// The scales operand of an old Resize or Upsample, when it is known.
std::vector<double> constant_scales(const UpgradeContext& context, int i) {
  const Tensor* scales = context.constant(i);
  return scales != nullptr && scales->dtype() == DType::kFloat32 ? scales->to_doubles()
                                                                 : std::vector<double>{};
}

// Opset 10: asymmetric coordinates; nearest takes the pixel below when enlarging and the one above
// when shrinking, axis by axis. A Resize rounds one way only, so mixed scales take two.
Result<void> upgrade_resize(UpgradeContext& context) {
  if (context.opset >= 11) return {};
  ir::Node& node = context.node;
  if (node.inputs.size() < 2) return {};  // the operand count check says what is wrong
  node.attrs.set("coordinate_transformation_mode", std::string("asymmetric"));
  const std::vector<double> scales = constant_scales(context, 1);
  const bool shrinks = std::ranges::any_of(scales, [](double s) { return s < 1; });
  const bool grows = std::ranges::any_of(scales, [](double s) { return s > 1; });
  const bool nearest = node.attrs.string_or("mode", "nearest") == "nearest";
  ir::ValueId given = node.inputs[1];
  if (nearest && shrinks && grows) {
    std::vector<double> down = scales, up = scales;
    for (double& s : down) s = std::min(s, 1.0);
    for (double& s : up) s = std::max(s, 1.0);
    const Shape shape{static_cast<int64_t>(scales.size())};
    AttrMap attrs = node.attrs;
    attrs.set("nearest_mode", std::string("ceil"));
    const ir::ValueId first =
        context.add_constant(Tensor::of_doubles(DType::kFloat32, shape, down));
    node.inputs[0] = context.add_before("Resize", {node.inputs[0], ir::kNoValue, first}, attrs);
    given = context.add_constant(Tensor::of_doubles(DType::kFloat32, shape, up));
  }
  node.attrs.set("nearest_mode", std::string(shrinks && !grows ? "ceil" : "floor"));
  node.inputs = {node.inputs[0], ir::kNoValue, given};
  return {};
}

// Upsample: scales as an attribute (opset 7), as an operand (opset 9), or only for height and width
// (opset 1).
Result<void> upgrade_upsample(UpgradeContext& context) {
  ir::Node& node = context.node;
  std::vector<float> scales = node.attrs.floats_or("scales");
  if (node.attrs.has("height_scale") || node.attrs.has("width_scale")) {
    scales = {1, 1, node.attrs.float_or("height_scale", 1), node.attrs.float_or("width_scale", 1)};
  }
  const std::string mode = node.attrs.string_or("mode", "nearest");
  for (const char* name : {"scales", "height_scale", "width_scale"}) node.attrs.erase(name);
  if (node.inputs.empty() || (node.inputs.size() < 2 && scales.empty())) {
    return invalid_model("Upsample has no scales");
  }
  const ir::ValueId given =
      node.inputs.size() > 1
          ? node.inputs[1]
          : context.add_constant(Tensor::of<float>(Shape{static_cast<int64_t>(scales.size())},
                                                   std::span<const float>(scales)));
  node.op = "Resize";
  node.attrs.set("mode", mode == "bilinear" ? std::string("linear") : mode);
  node.attrs.set("coordinate_transformation_mode", std::string("asymmetric"));
  node.attrs.set("nearest_mode", std::string("floor"));
  node.inputs = {node.inputs[0], ir::kNoValue, given};
  return {};
}

// Opset 16 called the modes bilinear and bicubic, as com.microsoft's does.
Result<void> upgrade_grid_sample(UpgradeContext& context) {
  ir::Node& node = context.node;
  const std::string mode = node.attrs.string_or("mode", "linear");
  if (mode == "bilinear") node.attrs.set("mode", std::string("linear"));
  if (mode == "bicubic") node.attrs.set("mode", std::string("cubic"));
  node.domain.clear();
  return {};
}

// --- cost: two flops per tap

op::Cost output_cost(const op::NodeView& node, double flops) {
  const auto shape = node.output_type(0).shape();
  if (!shape) return {};
  for (const int64_t extent : *shape) flops *= static_cast<double>(extent);
  return {flops};
}
op::Cost resize_cost(const op::NodeView& node) {
  const std::string mode = node.attrs().string_or("mode", "nearest");
  return output_cost(node, mode == "nearest" ? 0 : mode == "cubic" ? 32 : 8);
}
op::Cost grid_sample_cost(const op::NodeView& node) { return output_cost(node, 8); }

constexpr op::OpDef kOps[] = {
    {.name = "Resize",
     .min_inputs = 1,
     .max_inputs = 4,
     .infer = infer_resize,
     .reference = resize_reference,
     .cpu = kResizeCpu,
     .upgrade = upgrade_resize,
     .cost = resize_cost},
    {.name = "Upsample", .min_inputs = 1, .max_inputs = 2, .upgrade = upgrade_upsample},
    {.name = "GridSample",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_grid_sample,
     .reference = grid_sample_reference,
     .upgrade = upgrade_grid_sample,
     .cost = grid_sample_cost},
    {.name = "GridSample",
     .domain = "com.microsoft",
     .min_inputs = 2,
     .max_inputs = 2,
     .upgrade = upgrade_grid_sample,
     .nonstandard = "the standard's GridSample before the standard had it"},
    {.name = "AffineGrid",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_affine_grid,
     .reference = affine_grid_reference},
    {.name = "CropAndResize",
     .domain = "com.microsoft",
     .min_inputs = 4,
     .max_inputs = 4,
     .infer = infer_crop_and_resize,
     .reference = crop_and_resize_reference,
     .nonstandard = "regions of an image resized to one size, as TensorFlow's CropAndResize"},
    {.name = "CenterCropPad",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_center_crop_pad,
     .reference = center_crop_pad_reference},
    {.name = "Col2Im",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_col2im,
     .reference = col2im_reference},
    {.name = "DepthToSpace",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_depth_to_space,
     .reference = depth_to_space_reference},
    {.name = "SpaceToDepth",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_space_to_depth,
     .reference = space_to_depth_reference},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kOps; }

}  // namespace sluice::ops::resize
