#include "ops/softmax/softmax.h"

#include <array>

#include "op/operand.h"
#include "ops/softmax/softmax_cpu.h"

namespace sluice::ops::softmax {

namespace {

using op::InferContext;
using op::NodeView;
using op::OpDef;
using op::UpgradeContext;

Result<void> infer(InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kFloats));
  const Type& x = context.input_type(0);
  if (x.has_rank()) {
    const auto axis =
        op::normalized_axis(context.attrs().int_or("axis", -1), static_cast<int>(x.dims->size()));
    if (!axis) return context.fail(axis.error().message);
  }
  context.set_output(0, x);
  return {};
}

Result<void> upgrade(UpgradeContext& context) {
  if (context.opset >= 13 || context.node.inputs.empty()) return {};
  AttrMap& attrs = context.node.attrs;
  const int64_t axis = attrs.int_or("axis", 1);
  attrs.set("axis", int64_t{-1});
  const Type& type = context.input_type(0);
  if (type.has_rank()) {
    const auto rank = static_cast<int64_t>(type.dims->size());
    // Along the last axis both definitions agree.
    if (rank > 0 && (axis == rank - 1 || axis == -1)) return {};
  }
  const ir::ValueId x = context.node.inputs[0];
  const ir::ValueId shape = context.add_before("Shape", {x});
  context.node.inputs[0] = context.add_before("Flatten", {x}, {{"axis", axis}});
  context.add_after("Reshape", {shape});
  return {};
}

// Maximum, difference, exponential, sum, quotient.
op::Cost cost(const NodeView& node) {
  const auto shape = node.output_type(0).shape();
  return {shape ? 5.0 * static_cast<double>(shape->elements()) : 0.0};
}

OpDef def(std::string_view name, plan::KernelFn kernel,
          std::span<const op::CpuCandidate> cpu = {}) {
  return {.name = name,
          .min_inputs = 1,
          .max_inputs = 1,
          .infer = infer,
          .reference = kernel,
          .cpu = cpu,
          .upgrade = upgrade,
          .cost = cost};
}

}  // namespace

std::span<const OpDef> op_defs() {
  static const std::array<OpDef, 3> kDefs = {
      def("Softmax", softmax_reference, kSoftmaxCpu),
      def("LogSoftmax", log_softmax_reference, kLogSoftmaxCpu), def("Hardmax", hardmax_reference)};
  return kDefs;
}

}  // namespace sluice::ops::softmax
