// Plan: a model compiled for one backend and one set of limits: data, no code pointers. Values are
// slots with a place (constant, caller's input, arena, heap, or sharing another slot), work is a
// list of steps that name kernels by text. Sizes may be expressions over symbols that the input
// shapes bind, so a new batch size or length needs a new memory layout but no new Plan.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/dispatch.h"
#include "plan/limits.h"
#include "tensor/attributes.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace sluice::plan {

enum class Storage : uint8_t {
  kConstant,  // known at load
  kInput,     // handed in by the caller
  kArena,     // a range of the one block set aside before a run
  kHeap,      // allocated when made: graph outputs, and what has no size before it is made
  kAlias,     // the memory of `alias_of`: a view, or an output written over its dead input
};

struct Slot {
  std::string name;  // of the graph's value
  Type type;
  Storage storage = Storage::kHeap;
  SlotId alias_of = kNoSlot;
  std::optional<Tensor> constant;
  // GPU plans: how the value lies on the device; kNone keeps it on the host. An alias may start
  // `alias_offset_bytes` into its root (a slice of a larger value).
  DeviceFormat format = DeviceFormat::kNone;
  uint64_t alias_offset_bytes = 0;
  // Steps between which the memory is in use, aliases included; -1 before the first step.
  int first_step = -1, last_step = -1;
};

struct Plan;
struct Subplan {
  std::string name;  // "body", "then_branch" ...
  std::shared_ptr<Plan> plan;
  std::vector<SlotId> captures;  // slots of the outer plan
};

struct Step {
  std::string kernel;           // row of the executor's kernel table
  std::string op;               // operator of the graph node, fused ones included
  std::string node;             // the node's name in the model
  std::vector<SlotId> inputs;   // kNoSlot: absent
  std::vector<SlotId> outputs;  // kNoSlot: not wanted
  AttrMap attrs;
  std::vector<Subplan> subplans;
  bool view = false;  // outputs[0] is inputs[0] under another shape
  // GPU plans: what is issued, in order. A step with neither dispatches nor `view` is an island:
  // its subplan "island" runs on the CPU, fed with `inputs`.
  std::vector<Dispatch> dispatches;
  double flops = 0;
  std::string why;  // why this kernel: the candidates that refused, each with its reason
};

struct Plan {
  std::string backend;  // "cpu", "webgpu"
  std::vector<Slot> slots;
  std::vector<Step> steps;
  std::vector<SlotId> inputs, captures, outputs;
  // GPU plans: compiled for these.
  Limits limits;
  Features features;
  std::vector<Pipeline> pipelines;

  bool is_island(const Step& step) const {
    return backend == "webgpu" && step.dispatches.empty() && !step.view && !step.subplans.empty();
  }
  const Slot& slot(SlotId id) const { return slots[static_cast<size_t>(id)]; }
  SlotId root(SlotId id) const {
    while (slot(id).storage == Storage::kAlias) id = slot(id).alias_of;
    return id;
  }
  // Bytes from the beginning of the root's memory to the slot's.
  uint64_t root_offset(SlotId id) const {
    uint64_t bytes = 0;
    for (; slot(id).storage == Storage::kAlias; id = slot(id).alias_of) {
      bytes += slot(id).alias_offset_bytes;
    }
    return bytes;
  }
};

// Bytes in use during some steps.
struct Life {
  SlotId root = kNoSlot;
  uint64_t begin = 0, end = 0;
  int first = 0, last = 0;  // steps
};

// Where each arena slot lies, for given symbol values.
struct MemoryLayout {
  std::vector<uint64_t> offsets;  // by slot; only meaningful for arena slots
  std::vector<uint64_t> bytes;    // by slot; 0 when not in the arena
  std::vector<Life> lives;        // bytes of the arena, by where they begin
  // Bytes in use during each step; the last: of what is read after the run.
  std::vector<uint64_t> live_bytes;
  uint64_t arena_bytes = 0;
  uint64_t peak_live_bytes = 0;  // the most of live_bytes: lower bound of any packing
  uint64_t constant_bytes = 0;
};

// Packs the arena: largest first, each at the lowest offset that is free during its life.
Result<MemoryLayout> lay_out(const Plan& plan, const Dim::Environment& symbols);

// Values of the symbols in `declared` from a concrete shape; an error when they contradict the
// shape or an earlier binding. `what` names the tensor in messages.
Result<void> bind_symbols(const Type& declared, const Tensor& actual, const std::string& what,
                          Dim::Environment& symbols);

// Readable listing, one line per step, then the slots.
std::string to_text(const Plan& plan, const MemoryLayout* layout = nullptr);

}  // namespace sluice::plan
