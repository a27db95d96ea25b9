// LowerContext: how an operator becomes GPU dispatches. A candidate's `lower` looks at the node's
// types, asks for temporaries and packed constants, and issues dispatches through the generated
// Call structs of the shaders (generated/shader/<name>.h). It may refuse with an `unsupported`
// error whose sentence `sluice explain` prints; the next candidate is tried, and the last resort is
// an island on the CPU. Extents are Dims: write lowerings in Dim arithmetic and they hold for
// symbolic shapes too.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "op/op.h"
#include "plan/plan.h"

namespace sluice::op {

class LowerContext : public NodeView {
 public:
  // `slots`: where in the plan the graph's values are, when they are not the plan's first slots.
  LowerContext(const ir::Graph& graph, const ir::Node& node, plan::Plan& plan,
               const std::vector<plan::SlotId>* slots = nullptr);

  const plan::Limits& limits() const { return plan_.limits; }
  const plan::Features& features() const { return plan_.features; }

  // Slots of the node's inputs and outputs (kNoSlot when absent). An output nobody reads still has
  // a slot when the node names it.
  plan::SlotId in(int i) const { return slot_of(node().input(i)); }
  plan::SlotId out(int i) const { return slot_of(node().output(i)); }
  plan::DeviceFormat format(plan::SlotId slot) const { return plan_.slot(slot).format; }
  plan::DeviceFormat in_format(int i) const { return format(in(i)); }
  plan::DeviceFormat out_format(int i) const { return format(out(i)); }
  // Extents; compile has made sure that rank and every extent (perhaps symbolic) are known.
  const Dims& in_dims(int i) const { return *input_type(i).dims; }
  const Dims& out_dims(int i) const { return *output_type(i).dims; }
  // Numbers, for lowerings that can't work with symbols: when an extent is symbolic the error makes
  // the session compile again for the concrete shapes of the run.
  Result<Shape> static_in(int i);
  Result<Shape> static_out(int i);
  // Contents of an operand that decides shapes or dispatches (axes, pads, k, a shape). When they
  // are not known yet the error makes the session compile again with the run's values, if it can.
  Result<Tensor> need_constant(int i);
  Result<std::vector<int64_t>> need_ints(int i);

  // Memory for the node's own use, uninitialised, free again after the node.
  plan::SlotId temp(plan::DeviceFormat format, Dim elements);
  // A constant of the lowering's own making: a packed weight, a table. float32, int32 or uint32
  // (and float16 where features().f16) are taken as they are.
  plan::SlotId constant(Tensor tensor, std::string_view name);
  // One that `pack` makes out of the model's weights, and so about as large as they are. A compiler
  // that is told to (GpuOptions::defer_packing) leaves the packing to whoever takes the elements to
  // the device: the slot's constant has no elements then.
  using Pack = std::function<Result<Tensor>()>;
  Result<plan::SlotId> packed_constant(DType dtype, const Shape& shape, std::string_view name,
                                       Pack pack);

  // Issues one dispatch. `call` is a generated Call struct. An absent (kNoSlot) read binding is
  // replaced by 16 zero bytes.
  template <class Call>
  void dispatch(const Call& call) {
    add(call.request());
  }
  void add(plan::DispatchRequest request);

  // "Conv node "x": <sentence>", as an unsupported error.
  Error refuse(std::string_view sentence) const;

  // Somebody asked for this very candidate: an estimate against it does not count.
  bool forced = false;

  // For the compiler.
  struct Made {
    std::vector<plan::DispatchRequest> requests;
    std::vector<plan::SlotId> temps, constants;  // new slots, appended to the plan
    bool defer_packing = false;                  // set beforehand
    std::vector<std::pair<plan::SlotId, Pack>> packs;
    bool wants_static = false;        // symbolic extents were in the way
    std::vector<ir::ValueId> wanted;  // values whose contents were asked for in vain
  } made;

 private:
  plan::SlotId slot_of(ir::ValueId id) const {
    return slots_ == nullptr || id == ir::kNoValue ? id : (*slots_)[static_cast<size_t>(id)];
  }
  plan::Plan& plan_;
  const std::vector<plan::SlotId>* slots_;
};

// A way to run an operator on the GPU; tried in order.
struct GpuCandidate {
  std::string_view name;  // "conv.implicit_gemm"
  Result<void> (*lower)(LowerContext& context) = nullptr;
};

// --- helpers that many lowerings share

// Number of elements.
Dim elements(const Dims& dims);
// Row-major strides in elements.
Dims strides(const Dims& dims);
// Strides of `dims` seen as `out` under numpy broadcasting: 0 where an extent of 1 is repeated.
// Both aligned at the right; the result has the rank of `out`.
Dims broadcast_strides(const Dims& dims, const Dims& out);
// Drops extents of 1 and merges neighbours that are contiguous in every one of the stride lists, so
// that few indices are left. All lists have the rank of `shape` and are changed in place.
void merge_axes(Dims& shape, std::vector<Dims*> stride_lists);
// Workgroups of `size` invocations that cover `count`.
Dim workgroups(const Dim& count, int64_t size);
// Eight extents for a Params field `array<vec4<u32>, 2>`; `fill` behind the given ones' LEFT side
// (so that the last axis is index 7). The caller has checked that at most eight are given.
std::array<Dim, 8> eight(const Dims& dims, const Dim& fill);
// Attribute axis in [-rank, rank) made non-negative; an error otherwise.
Result<int> gpu_axis(const LowerContext& context, int64_t axis, size_t rank);

}  // namespace sluice::op
