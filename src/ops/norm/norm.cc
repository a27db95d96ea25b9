#include "ops/norm/norm.h"

#include <algorithm>

#include "base/text.h"
#include "op/op.h"
#include "op/operand.h"
#include "ops/norm/norm_cpu.h"
#include "ops/norm/norm_kernels.h"

namespace sluice::ops::norm {

using op::InferContext;
using op::UpgradeContext;

namespace {

// --- inference

Type like(const Type& type, DType dtype) {
  return type.has_rank() ? Type::tensor(dtype, *type.dims) : Type::tensor(dtype);
}

// Input i, when its rank is known, must be 1-D with as many elements as input 0 has channels.
Result<void> check_channel_vector(const InferContext& context, int i, size_t channel_axis,
                                  std::string_view what) {
  const Type& x = context.input_type(0);
  const Type& vector = context.input_type(i);
  if (!context.has_input(i) || !vector.has_rank()) return {};
  if (vector.dims->size() != 1) {
    return context.fail(cat("the ", what, " is ", vector.text(), " (must be 1-D)"));
  }
  if (!x.has_rank() || x.dims->size() <= channel_axis) return {};
  const Dim &channels = (*x.dims)[channel_axis], &found = (*vector.dims)[0];
  if (channels.is_known() && found.is_known() && channels.value() != found.value()) {
    return context.fail(cat("the ", what, " has ", found.value(), " elements (the input has ",
                            channels.value(), " channels)"));
  }
  return {};
}

Result<void> infer_batch_norm(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  for (int i = 1; i < 5; ++i) SLUICE_TRY(op::input_dtype(context, i, op::kFloats));
  const bool training = context.attrs().int_or("training_mode", 0) != 0;
  static constexpr std::string_view kNames[] = {"scale", "bias", "mean", "variance"};
  for (int i = 0; i < 4; ++i) SLUICE_TRY(check_channel_vector(context, i + 1, 1, kNames[i]));
  const Type& x = context.input_type(0);
  context.set_output(0, like(x, dtype));
  if (!training && (context.has_output(1) || context.has_output(2))) {
    return context.fail("running statistics are put out in training mode only");
  }
  SLUICE_ASSIGN(const DType stats, op::input_dtype(context, 3, op::kFloats));
  const Type& mean = context.input_type(3);
  for (int i = 1; i < 3; ++i) {
    if (context.has_output(i)) context.set_output(i, like(mean, stats));
  }
  return {};
}

Result<void> infer_per_channel(InferContext& context) {  // Instance-, GroupNormalization
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 3, op::kFloats));
  SLUICE_TRY(check_channel_vector(context, 1, 1, "scale"));
  SLUICE_TRY(check_channel_vector(context, 2, 1, "bias"));
  context.set_output(0, like(context.input_type(0), dtype));
  return {};
}

Result<void> infer_group_norm(InferContext& context) {
  if (context.attrs().int_or("num_groups", 0) < 1) {
    return context.fail("attribute num_groups must be positive");
  }
  return infer_per_channel(context);
}

Result<void> infer_same(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  context.set_output(0, like(context.input_type(0), dtype));
  return {};
}

// dims with 1 from `axis` on.
Type statistics_type(const Type& x, int axis, DType dtype) {
  if (!x.has_rank()) return Type::tensor(dtype);
  Dims dims = *x.dims;
  for (size_t i = static_cast<size_t>(axis); i < dims.size(); ++i) dims[i] = Dim(1);
  return Type::tensor(dtype, std::move(dims));
}

Result<DType> stash_dtype(const AttrMap& attrs) {
  const int64_t stash = attrs.int_or("stash_type", 1);
  if (stash == 1 || stash == 10 || stash == 11 || stash == 16) return static_cast<DType>(stash);
  return invalid_model(cat("Attribute stash_type is ", stash, " (must name a float dtype)"));
}

Result<int> first_axis(const InferContext& context) {
  const Type& x = context.input_type(0);
  if (!x.has_rank()) return 0;
  const auto axis =
      op::normalized_axis(context.attrs().int_or("axis", -1), static_cast<int>(x.dims->size()));
  if (!axis) return context.fail(axis.error().message);
  return *axis;
}

Result<void> infer_layer_norm(InferContext& context) {
  // onnxruntime's own exports mix dtypes: the output then has the scale's.
  SLUICE_TRY(op::input_dtype(context, 0, op::kFloats));
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 1, 3, op::kFloats));
  SLUICE_ASSIGN(const int axis, first_axis(context));
  SLUICE_ASSIGN(const DType stash, stash_dtype(context.attrs()));
  const Type& x = context.input_type(0);
  context.set_output(0, like(x, dtype));
  for (int i = 1; i < 3; ++i) {
    if (context.has_output(i)) context.set_output(i, statistics_type(x, axis, stash));
  }
  return {};
}

// RMSNormalization and SimplifiedLayerNormalization: the output's dtype is the scale's.
Result<void> infer_rms_norm(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kFloats));
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 1, op::kFloats));
  SLUICE_ASSIGN(const int axis, first_axis(context));
  SLUICE_ASSIGN(const DType stash, stash_dtype(context.attrs()));
  const Type& x = context.input_type(0);
  context.set_output(0, like(x, dtype));
  if (context.has_output(1)) context.set_output(1, statistics_type(x, axis, stash));
  return {};
}

Result<void> infer_skip_norm(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, 5, op::kFloats));
  const Type& x = context.input_type(0);
  context.set_output(0, like(x, dtype));
  const int last = x.has_rank() ? static_cast<int>(x.dims->size()) - 1 : 0;
  if (x.has_rank() && last < 1)
    return context.fail(cat("the input is ", x.text(), " (rank 2 or 3)"));
  for (int i = 1; i < 3; ++i) {
    if (context.has_output(i)) context.set_output(i, statistics_type(x, last, DType::kFloat32));
  }
  if (context.has_output(3)) context.set_output(3, like(x, dtype));
  return {};
}

Result<void> infer_embed_layer_norm(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 2, op::kFloats));
  SLUICE_TRY(op::input_dtype(context, 0, op::kIndices));
  const Type &ids = context.input_type(0), &words = context.input_type(2);
  const bool known = ids.has_rank() && ids.dims->size() == 2;
  Dims dims{known ? (*ids.dims)[0] : Dim::unknown(), known ? (*ids.dims)[1] : Dim::unknown(),
            words.has_rank() && words.dims->size() == 2 ? (*words.dims)[1] : Dim::unknown()};
  if (context.has_output(1)) context.set_output(1, DType::kInt32, {dims[0]});
  if (context.has_output(2)) context.set_output(2, dtype, dims);
  context.set_output(0, dtype, std::move(dims));
  return {};
}

Result<void> infer_contrib_group_norm(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats));
  if (context.attrs().int_or("groups", 0) < 1) {
    return context.fail("attribute groups must be positive");
  }
  context.set_output(0, like(context.input_type(0), dtype));
  if (context.has_output(1)) context.set_output(1, like(context.input_type(0), dtype));
  return {};
}

Result<void> infer_dropout(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::input_dtype(context, 0, op::kFloats | op::kFloat8s));
  context.set_output(0, like(context.input_type(0), dtype));
  if (context.has_output(1)) context.set_output(1, like(context.input_type(0), DType::kBool));
  return {};
}

// --- upgrades

// Before opset 14 the number of outputs told training from inference; before 9, spatial = 0 kept
// separate statistics for every element of an image.
Result<void> upgrade_batch_norm(UpgradeContext& context) {
  if (context.opset >= 14) return {};
  ir::Node& node = context.node;
  const bool test_form = node.attrs.int_or("is_test", 0) != 0;
  bool training = false;
  for (size_t i = 1; i < node.outputs.size(); ++i) training |= node.outputs[i] != ir::kNoValue;
  training = training && !test_form;
  // saved_mean and saved_var served the backward pass and have no successor.
  if (node.outputs.size() > (training ? 3u : 1u)) node.outputs.resize(training ? 3 : 1);
  if (training) node.attrs.set("training_mode", int64_t{1});
  const bool per_element = context.opset < 9 && node.attrs.int_or("spatial", 1) == 0;
  for (const char* name : {"is_test", "spatial", "consumed_inputs"}) node.attrs.erase(name);
  if (!per_element) return {};
  if (training)
    return unsupported("BatchNormalization with spatial = 0 in training is not supported");
  const ir::ValueId shape = context.add_before("Shape", {node.input(0)});
  node.inputs[0] =
      context.add_before("Flatten", {node.input(0)}, AttrMap{{"axis", Attribute(int64_t{1})}});
  const int64_t flat[] = {-1};
  for (int i = 1; i < 5; ++i) {
    node.inputs[static_cast<size_t>(i)] =
        context.add_before("Reshape", {node.input(i), context.add_ints(flat)});
  }
  context.add_after("Reshape", {shape});
  return {};
}

// Opset 18 had one scale and bias per group instead of per channel.
Result<void> upgrade_group_norm(UpgradeContext& context) {
  if (context.opset >= 21) return {};
  ir::Node& node = context.node;
  const int64_t groups = node.attrs.int_or("num_groups", 0);
  if (groups < 1 || node.inputs.size() < 3) return {};  // inference says what is wrong
  const int64_t group_count[] = {groups}, column[] = {1}, flat[] = {-1};
  const ir::ValueId count = context.add_ints(group_count);
  const ir::ValueId channels =
      context.add_before("Shape", {node.input(0)},
                         AttrMap{{"start", Attribute(int64_t{1})}, {"end", Attribute(int64_t{2})}});
  const ir::ValueId per_group = context.add_before("Div", {channels, count});
  const ir::ValueId to =
      context.add_before("Concat", {count, per_group}, AttrMap{{"axis", Attribute(int64_t{0})}});
  for (size_t i = 1; i < 3; ++i) {
    const ir::ValueId tall =
        context.add_before("Unsqueeze", {node.inputs[i], context.add_ints(column)});
    const ir::ValueId wide = context.add_before("Expand", {tall, to});
    node.inputs[i] = context.add_before("Reshape", {wide, context.add_ints(flat)});
  }
  return {};
}

// Before opset 12 ratio was an attribute and there was no training input; before 10 the mask had
// the dtype of the data.
Result<void> upgrade_dropout(UpgradeContext& context) {
  if (context.opset >= 12) return {};
  ir::Node& node = context.node;
  for (const char* name : {"ratio", "is_test", "consumed_inputs"}) node.attrs.erase(name);
  const DType dtype = context.input_type(0).dtype;
  if (context.opset < 10 && node.output(1) != ir::kNoValue && dtype != DType::kUndefined) {
    context.add_after("Cast", {}, AttrMap{{"to", Attribute(static_cast<int64_t>(dtype))}}, 1);
  }
  return {};
}

// --- cost: about eight flops per element (two passes for the moments, one to apply them)

op::Cost element_cost(const op::NodeView& node) {
  const auto shape = node.input_type(0).shape();
  if (!shape) return {};
  double flops = 8;
  for (const int64_t extent : *shape) flops *= static_cast<double>(extent);
  return {flops};
}

constexpr op::OpDef kOps[] = {
    {.name = "BatchNormalization",
     .min_inputs = 5,
     .max_inputs = 5,
     .max_outputs = 3,
     .infer = infer_batch_norm,
     .reference = batch_norm_reference,
     .cpu = kBatchNormCpu,
     .upgrade = upgrade_batch_norm,
     .cost = element_cost},
    {.name = "InstanceNormalization",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_per_channel,
     .reference = instance_norm_reference,
     .cpu = kInstanceNormCpu,
     .cost = element_cost},
    {.name = "GroupNormalization",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_group_norm,
     .reference = group_norm_reference,
     .cpu = kGroupNormCpu,
     .upgrade = upgrade_group_norm,
     .cost = element_cost},
    {.name = "LayerNormalization",
     .min_inputs = 2,
     .max_inputs = 3,
     .max_outputs = 3,
     .infer = infer_layer_norm,
     .reference = layer_norm_reference,
     .cpu = kLayerNormCpu,
     .cost = element_cost},
    {.name = "RMSNormalization",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_rms_norm,
     .reference = rms_norm_reference,
     .cpu = kRmsNormCpu,
     .cost = element_cost},
    {.name = "MeanVarianceNormalization",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_same,
     .reference = mean_variance_norm_reference,
     .cost = element_cost},
    {.name = "LpNormalization",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_same,
     .reference = lp_norm_reference,
     .cost = element_cost},
    {.name = "LRN",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_same,
     .reference = lrn_reference,
     .cost = element_cost},
    {.name = "Dropout",
     .min_inputs = 1,
     .max_inputs = 3,
     .max_outputs = 2,
     .infer = infer_dropout,
     .reference = dropout_reference,
     .upgrade = upgrade_dropout},
    {.name = "SimplifiedLayerNormalization",
     .min_inputs = 2,
     .max_inputs = 2,
     .max_outputs = 2,
     .infer = infer_rms_norm,
     .reference = simplified_layer_norm_reference,
     .cost = element_cost,
     .nonstandard = "RMSNormalization, as onnxruntime called it before the standard had it"},
    {.name = "SkipLayerNormalization",
     .domain = "com.microsoft",
     .min_inputs = 3,
     .max_inputs = 5,
     .max_outputs = 4,
     .infer = infer_skip_norm,
     .reference = skip_layer_norm_reference,
     .cost = element_cost,
     .nonstandard =
         "LayerNormalization(input + skip + bias), from onnxruntime's transformer fusions"},
    {.name = "SkipSimplifiedLayerNormalization",
     .domain = "com.microsoft",
     .min_inputs = 3,
     .max_inputs = 4,
     .max_outputs = 4,
     .infer = infer_skip_norm,
     .reference = skip_simplified_layer_norm_reference,
     .cost = element_cost,
     .nonstandard =
         "RMSNormalization(input + skip + bias), from onnxruntime's transformer fusions"},
    {.name = "EmbedLayerNormalization",
     .domain = "com.microsoft",
     .min_inputs = 7,
     .max_inputs = 9,
     .max_outputs = 3,
     .infer = infer_embed_layer_norm,
     .reference = embed_layer_norm_reference,
     .nonstandard = "LayerNormalization of the sum of word, position and segment embeddings, from "
                    "onnxruntime's transformer fusions"},
    {.name = "GroupNorm",
     .domain = "com.microsoft",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_contrib_group_norm,
     .reference = contrib_group_norm_reference,
     .cost = element_cost,
     .nonstandard =
         "GroupNormalization with channels last and an optional SiLU, from onnxruntime's "
         "diffusion fusions"},
    {.name = "SkipGroupNorm",
     .domain = "com.microsoft",
     .min_inputs = 4,
     .max_inputs = 5,
     .max_outputs = 2,
     .infer = infer_contrib_group_norm,
     .reference = skip_group_norm_reference,
     .cost = element_cost,
     .nonstandard = "GroupNorm(x + skip + bias), from onnxruntime's diffusion fusions"},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kOps; }

}  // namespace sluice::ops::norm
