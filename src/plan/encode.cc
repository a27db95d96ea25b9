#include "plan/encode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "plan/issue.h"
#include "plan/poison.h"

namespace sluice::plan {

namespace {

constexpr uint64_t kUniformAlignment = 256;  // good on every device
constexpr uint32_t kSentinelBytes = 16;
constexpr size_t kMostOperands = (1u << 24) - 1;
// A writable_mask has as many bits.
constexpr uint32_t kMostBindings = 32;

struct OpcodeRow {
  Opcode opcode;
  std::string_view name;
};
constexpr OpcodeRow kOpcodes[] = {
#define SLUICE_OPCODE(name, number, operands, meaning) {Opcode::k##name, #name},
#include "plan/opcodes.def"
};

bool on_device(const Plan& plan, const DeviceLayout& layout, SlotId id) {
  return plan.slot(id).format != DeviceFormat::kNone && layout.buffer[static_cast<size_t>(id)] >= 0;
}

// The bind group that all dispatches of a pipeline agree on.
struct Signature {
  bool uniform = false;
  uint32_t bindings = 0, writable_mask = 0;
  friend bool operator==(const Signature&, const Signature&) = default;
};
Result<Signature> signature_of(const Step& step, const Dispatch& dispatch) {
  Signature out;
  out.uniform = !dispatch.params.empty();
  if (dispatch.bindings.size() > kMostBindings) {
    return internal_error(cat(step.op, " binds ", dispatch.bindings.size(), " buffers (",
                              kMostBindings, " is the most)"));
  }
  for (const BoundRange& bound : dispatch.bindings) {
    if (bound.writable) out.writable_mask |= 1u << out.bindings;
    ++out.bindings;
  }
  return out;
}

class Encoder {
 public:
  explicit Encoder(const Plan& plan) : plan_(plan) {}

  // Pipelines that dispatches use, the sentinel's last; and the whole table of strings.
  Result<void> pipelines();
  Result<void> memory(const DeviceLayout& layout, const Dim::Environment& symbols);
  Result<void> run(const DeviceLayout& layout, const Dim::Environment& symbols);
  Result<Encoded> finish();

 private:
  uint32_t text(const std::string& string) {
    const auto [at, fresh] = index_.emplace(string, static_cast<uint32_t>(out_.strings.size()));
    if (fresh) out_.strings.push_back(string);
    return at->second;
  }
  Result<void> emit(Opcode opcode, std::span<const uint32_t> operands) {
    if (operands.size() > kMostOperands) {
      return resource_error(cat("An instruction ", opcode_name(opcode), " has ", operands.size(),
                                " operands (", kMostOperands, " is the limit)"));
    }
    out_.words.push_back(static_cast<uint32_t>(opcode) | static_cast<uint32_t>(operands.size())
                                                             << 8);
    out_.words.insert(out_.words.end(), operands.begin(), operands.end());
    return {};
  }
  Result<void> emit(Opcode opcode, std::initializer_list<uint32_t> operands) {
    return emit(opcode, std::span(operands.begin(), operands.size()));
  }
  Result<uint32_t> narrow(uint64_t bytes) const {
    if (bytes < kAbsent) return static_cast<uint32_t>(bytes);
    return resource_error(
        cat("An encoded program can't hold the size ", bytes, " (", kAbsent - 1, " is the limit)"));
  }
  // Appends buffer, offset and bytes (whole words) of a slot's elements.
  Result<void> place(const DeviceLayout& layout, const Dim::Environment& symbols, SlotId id,
                     std::vector<uint32_t>& operands) const;
  Result<uint64_t> element_count(SlotId id, const Dim::Environment& symbols) const;
  Result<void> run_view(const DeviceLayout& layout, const Dim::Environment& symbols, size_t s);
  Result<void> run_island(const DeviceLayout& layout, const Dim::Environment& symbols, size_t s);

  const Plan& plan_;
  Encoded out_;
  std::unordered_map<std::string, uint32_t> index_;
  std::vector<uint32_t> pipeline_of_;  // by Plan::pipelines: number in the program
  uint32_t sentinel_pipeline_ = 0;
  std::vector<Issued> issued_;
  std::vector<uint32_t> uniform_offsets_;  // by dispatch
  // By slot: the core knows the contents at this point of a run, as RemoteSession will.
  std::vector<bool> known_;
};

Result<void> Encoder::pipelines() {
  out_.words = {kProgramMagic, kProgramVersion, 0};
  pipeline_of_.assign(plan_.pipelines.size(), kAbsent);
  std::vector<Signature> signatures(plan_.pipelines.size());
  uint32_t next = 0;
  for (const Step& step : plan_.steps) {
    for (const Dispatch& dispatch : step.dispatches) {
      const auto index = static_cast<size_t>(dispatch.pipeline);
      if (dispatch.pipeline < 0 || index >= plan_.pipelines.size()) {
        return internal_error(cat(step.op, " ", quoted(step.node), " names pipeline ",
                                  dispatch.pipeline, " (", plan_.pipelines.size(), " there are)"));
      }
      SLUICE_ASSIGN(const Signature signature, signature_of(step, dispatch));
      if (pipeline_of_[index] == kAbsent) {
        pipeline_of_[index] = next++;
        signatures[index] = signature;
        const Pipeline& pipeline = plan_.pipelines[index];
        SLUICE_TRY(
            emit(Opcode::kPipeline, {text(pipeline.shader), text(pipeline.wgsl), signature.uniform,
                                     signature.bindings, signature.writable_mask}));
      } else if (signatures[index] != signature) {
        return internal_error(cat(step.op, " ", quoted(step.node), " binds pipeline ",
                                  plan_.pipelines[index].shader, " unlike an earlier step"));
      }
    }
  }
  sentinel_pipeline_ = next;
  SLUICE_TRY(
      emit(Opcode::kPipeline, {text("sentinel"), text(std::string(kSentinelShader)), 1, 1, 1}));
  for (const Step& step : plan_.steps) {
    (void)text(step.op);
    (void)text(step.node);
  }
  return {};
}

Result<uint64_t> Encoder::element_count(SlotId id, const Dim::Environment& symbols) const {
  const Slot& slot = plan_.slot(id);
  if (!slot.type.dims) {
    return internal_error(cat("The rank of ", quoted(slot.name), " is not known"));
  }
  uint64_t count = 1;
  for (const Dim& dim : *slot.type.dims) {
    const auto extent = dim.evaluate(symbols);
    if (!extent || *extent < 0) {
      return internal_error(
          cat("The extents of ", quoted(slot.name), " (", slot.type.text(), ") are not known"));
    }
    count *= static_cast<uint64_t>(*extent);  // lay_out_device has looked for overflow
  }
  return count;
}

Result<void> Encoder::place(const DeviceLayout& layout, const Dim::Environment& symbols, SlotId id,
                            std::vector<uint32_t>& operands) const {
  if (!on_device(plan_, layout, id)) {
    return internal_error(
        cat(quoted(plan_.slot(id).name), " is neither on the host nor on the device"));
  }
  SLUICE_ASSIGN(const ResolvedBinding at, resolve(plan_, layout, {.range = id}, symbols));
  SLUICE_ASSIGN(const uint64_t count, element_count(id, symbols));
  const uint64_t bytes = (count * element_bytes(plan_.slot(id).format) + 3) / 4 * 4;
  SLUICE_ASSIGN(const uint32_t offset, narrow(at.offset_bytes));
  SLUICE_ASSIGN(const uint32_t size, narrow(bytes));
  operands.insert(operands.end(), {static_cast<uint32_t>(at.buffer), offset, size});
  return {};
}

Result<void> Encoder::memory(const DeviceLayout& layout, const Dim::Environment& symbols) {
  const std::vector<SlotId> constants = constants_of(plan_);
  std::vector<bool> weights(layout.buffer_bytes.size());
  for (const SlotId id : constants) {
    weights[static_cast<size_t>(layout.buffer[static_cast<size_t>(id)])] = true;
  }
  for (size_t b = 0; b < layout.buffer_bytes.size(); ++b) {
    SLUICE_ASSIGN(const uint32_t bytes, narrow(layout.buffer_bytes[b]));
    SLUICE_TRY(emit(Opcode::kBuffer, {bytes, weights[b] ? 1u : 0u}));
  }
  const auto sentinel_buffer = static_cast<uint32_t>(layout.buffer_bytes.size());
  SLUICE_TRY(emit(Opcode::kBuffer, {kSentinelBytes, 0}));
  for (size_t k = 0; k < constants.size(); ++k) {
    std::vector<uint32_t> operands = {static_cast<uint32_t>(k)};
    SLUICE_TRY(place(layout, symbols, constants[k], operands));
    if (operands.back() != 0) SLUICE_TRY(emit(Opcode::kConstant, operands));
  }
  SLUICE_ASSIGN(issued_, issue(plan_, layout, symbols));
  std::vector<uint32_t> uniforms;
  const auto align = [&] {
    uniforms.resize((uniforms.size() * 4 + kUniformAlignment - 1) / kUniformAlignment *
                    kUniformAlignment / 4);
  };
  for (const Issued& one : issued_) {
    uniform_offsets_.push_back(one.words.empty() ? kAbsent
                                                 : static_cast<uint32_t>(uniforms.size() * 4));
    uniforms.insert(uniforms.end(), one.words.begin(), one.words.end());
    align();
  }
  const auto sentinel_offset = static_cast<uint32_t>(uniforms.size() * 4);
  uniforms.resize(uniforms.size() + kSentinelBytes / 4);
  SLUICE_TRY(emit(Opcode::kUniforms, uniforms));
  return emit(Opcode::kSentinel, {sentinel_pipeline_, sentinel_offset, sentinel_buffer});
}

Result<void> Encoder::run_view(const DeviceLayout& layout, const Dim::Environment& symbols,
                               size_t s) {
  const Step& step = plan_.steps[s];
  if (step.inputs.empty() || step.outputs.empty()) {
    return internal_error(cat("The view ", quoted(step.node), " has no input or no output"));
  }
  const SlotId from = step.inputs[0], to = step.outputs[0];
  if (from == kNoSlot || to == kNoSlot) return {};
  const bool stays = on_device(plan_, layout, to);
  if (!stays && !known_[static_cast<size_t>(from)]) {
    // Only the host can hold the view, so it needs the elements.
    std::vector<uint32_t> operands = {static_cast<uint32_t>(s), 1, 0, 0};
    SLUICE_TRY(place(layout, symbols, from, operands));
    if (operands.back() == 0) operands = {static_cast<uint32_t>(s), 0, 0};
    SLUICE_TRY(emit(Opcode::kIsland, operands));
    known_[static_cast<size_t>(from)] = true;
  }
  if (known_[static_cast<size_t>(from)] &&
      plan_.slot(from).type.dtype == plan_.slot(to).type.dtype) {
    known_[static_cast<size_t>(to)] = true;
  }
  return {};
}

Result<void> Encoder::run_island(const DeviceLayout& layout, const Dim::Environment& symbols,
                                 size_t s) {
  const Step& step = plan_.steps[s];
  std::vector<uint32_t> operands = {static_cast<uint32_t>(s), 0, 0};
  const auto list = [&](SlotId id, size_t i, size_t counter) -> Result<void> {
    const size_t before = operands.size();
    operands.push_back(static_cast<uint32_t>(i));
    SLUICE_TRY(place(layout, symbols, id, operands));
    if (operands.back() == 0) {
      operands.resize(before);
    } else {
      ++operands[counter];
    }
    return {};
  };
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const SlotId id = step.inputs[i];
    if (id == kNoSlot || known_[static_cast<size_t>(id)]) continue;
    SLUICE_TRY(list(id, i, 1));
    known_[static_cast<size_t>(id)] = true;
  }
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    const SlotId id = step.outputs[i];
    if (id == kNoSlot) continue;
    known_[static_cast<size_t>(id)] = true;
    if (on_device(plan_, layout, id)) SLUICE_TRY(list(id, i, 2));
  }
  return emit(Opcode::kIsland, operands);
}

Result<void> Encoder::run(const DeviceLayout& layout, const Dim::Environment& symbols) {
  SLUICE_TRY(emit(Opcode::kBegin, {}));
  // First of all: an output may share its buffer with an input that dies earlier.
  std::vector<SlotId> filled;
  for (const SlotId id : plan_.outputs) {
    if (id == kNoSlot || std::ranges::find(filled, id) != filled.end()) continue;
    filled.push_back(id);
    const Storage storage = plan_.slot(plan_.root(id)).storage;
    const bool made_here = storage == Storage::kHeap || storage == Storage::kArena;
    if (!made_here || !on_device(plan_, layout, id)) continue;
    SLUICE_ASSIGN(const ResolvedBinding at, resolve(plan_, layout, {.range = id}, symbols));
    SLUICE_ASSIGN(const uint32_t offset, narrow(at.offset_bytes));
    SLUICE_ASSIGN(const uint32_t bytes, narrow(layout.slot_bytes[static_cast<size_t>(id)]));
    SLUICE_TRY(emit(Opcode::kFill, {kPoison, static_cast<uint32_t>(at.buffer), offset, bytes}));
  }
  known_.assign(plan_.slots.size(), false);
  for (size_t s = 0; s < plan_.slots.size(); ++s) {
    known_[s] = plan_.slots[s].storage == Storage::kConstant || plan_.slots[s].constant.has_value();
  }
  for (size_t i = 0; i < plan_.inputs.size(); ++i) {
    known_[static_cast<size_t>(plan_.inputs[i])] = true;
    if (!on_device(plan_, layout, plan_.inputs[i])) continue;
    std::vector<uint32_t> operands = {static_cast<uint32_t>(i)};
    SLUICE_TRY(place(layout, symbols, plan_.inputs[i], operands));
    if (operands.back() != 0) SLUICE_TRY(emit(Opcode::kInput, operands));
  }
  size_t next = 0;
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const Step& step = plan_.steps[s];
    SLUICE_TRY(emit(Opcode::kStep, {static_cast<uint32_t>(s), text(step.op), text(step.node)}));
    for (size_t d = 0; d < step.dispatches.size(); ++d, ++next) {
      const Issued& one = issued_[next];
      std::vector<uint32_t> operands = {
          pipeline_of_[static_cast<size_t>(one.pipeline)],
          one.grid.x,
          one.grid.y,
          one.grid.z,
          uniform_offsets_[next],
          static_cast<uint32_t>((one.words.size() * 4 + 15) / 16 * 16),
          0,
          0};
      uint64_t bytes = 0;
      for (const ResolvedBinding& at : one.bindings) {
        if (at.buffer < 0) {
          return internal_error(
              cat(step.op, " ", quoted(step.node), " binds a value that is not on the device"));
        }
        SLUICE_ASSIGN(const uint32_t offset, narrow(at.offset_bytes));
        SLUICE_ASSIGN(const uint32_t size, narrow(at.size_bytes));
        operands.insert(operands.end(), {static_cast<uint32_t>(at.buffer), offset, size});
        bytes += at.size_bytes;
      }
      const double kflop = step.dispatches[d].flops / 1e3;
      operands[6] = static_cast<uint32_t>(std::min<uint64_t>(bytes, kAbsent - 1));
      operands[7] = static_cast<uint32_t>(std::clamp(kflop, 0.0, double{kAbsent - 1}));
      SLUICE_TRY(emit(Opcode::kDispatch, operands));
    }
    if (!step.dispatches.empty()) continue;
    if (step.view) {
      SLUICE_TRY(run_view(layout, symbols, s));
    } else if (plan_.is_island(step)) {
      SLUICE_TRY(run_island(layout, symbols, s));
    } else {
      // Nothing to issue is right only where nothing is to be made.
      for (const SlotId id : step.outputs) {
        if (id == kNoSlot) continue;
        SLUICE_ASSIGN(const uint64_t count, element_count(id, symbols));
        if (count != 0) {
          return internal_error(cat("The step ", step.op, " ", quoted(step.node),
                                    " has neither dispatches nor an island"));
        }
      }
    }
  }
  std::vector<bool> read(plan_.slots.size());
  for (size_t i = 0; i < plan_.outputs.size(); ++i) {
    const SlotId id = plan_.outputs[i];
    if (id == kNoSlot || known_[static_cast<size_t>(id)] || read[static_cast<size_t>(id)]) continue;
    read[static_cast<size_t>(id)] = true;
    std::vector<uint32_t> operands = {static_cast<uint32_t>(i)};
    SLUICE_TRY(place(layout, symbols, id, operands));
    if (operands.back() != 0) SLUICE_TRY(emit(Opcode::kOutput, operands));
  }
  return {};
}

Result<Encoded> Encoder::finish() {
  SLUICE_ASSIGN(out_.words[2], narrow(out_.words.size()));
  return std::move(out_);
}

// --- decoding

class Decoder {
 public:
  Decoder(std::span<const uint32_t> words, std::span<const std::string> strings)
      : words_(words), strings_(strings) {}
  Result<std::vector<Instruction>> decode();

 private:
  struct BufferRow {
    uint32_t bytes = 0, usage = 0;
  };
  using Operands = std::span<const uint32_t>;

  template <class... Parts>
  Error bad(const Parts&... parts) const {
    return invalid_model(cat("The encoded program is broken at word ", at_, ": ", parts...));
  }
  Result<void> need(bool holds, std::string_view what) const {
    if (holds) return {};
    return bad(what);
  }
  Result<void> count(Operands operands, size_t wanted) const {
    if (operands.size() == wanted) return {};
    return bad("an instruction has ", operands.size(), " operands (", wanted, " are right)");
  }
  Result<void> string(uint32_t index) const {
    if (index < strings_.size()) return {};
    return bad("string ", index, " is named (", strings_.size(), " there are)");
  }
  // Buffer, offset, bytes.
  Result<void> range(Operands three, uint32_t alignment = 4) const {
    if (three[0] >= buffers_.size()) {
      return bad("buffer ", three[0], " is named (", buffers_.size(), " there are)");
    }
    const uint64_t end = uint64_t{three[1]} + three[2];
    if (three[2] == 0 || three[1] % alignment != 0 || three[2] % 4 != 0) {
      return bad("a range of ", three[2], " bytes starts at ", three[1],
                 " (whole words, multiples of ", alignment, ")");
    }
    if (end > buffers_[three[0]].bytes) {
      return bad("a range ends at ", end, " (", buffers_[three[0]].bytes, " bytes has the buffer)");
    }
    return {};
  }
  Result<void> rising(int64_t& last, uint32_t number, std::string_view what) const {
    if (int64_t{number} <= last || number == kAbsent) {
      return bad(what, " ", number, " comes after ", last);
    }
    last = number;
    return {};
  }
  Result<void> instruction(Opcode opcode, Operands operands);
  Result<void> dispatch(Operands operands);
  Result<void> island(Operands operands);
  Result<void> uniform_block(uint32_t offset, uint32_t bytes) const;

  std::span<const uint32_t> words_;
  std::span<const std::string> strings_;
  size_t at_ = 0;
  bool begun_ = false, uniforms_seen_ = false, sentinel_seen_ = false, other_ = false;
  uint64_t uniform_bytes_ = 0;
  std::vector<BufferRow> buffers_;
  std::vector<Signature> pipelines_;
  int64_t constant_ = -1, input_ = -1, output_ = -1, step_ = -1;
};

Result<void> Decoder::uniform_block(uint32_t offset, uint32_t bytes) const {
  if (offset % kUniformAlignment != 0 || bytes == 0 || bytes % 16 != 0 ||
      uint64_t{offset} + bytes > uniform_bytes_) {
    return bad("a uniform block of ", bytes, " bytes starts at ", offset, " (", uniform_bytes_,
               " there are)");
  }
  return {};
}

Result<void> Decoder::dispatch(Operands o) {
  SLUICE_TRY(need(step_ >= 0, "a dispatch belongs to no step"));
  if (o.size() < 8 || (o.size() - 8) % 3 != 0) {
    return bad("a dispatch has ", o.size(), " operands");
  }
  if (o[0] >= pipelines_.size()) {
    return bad("pipeline ", o[0], " is named (", pipelines_.size(), " there are)");
  }
  const Signature& pipeline = pipelines_[o[0]];
  const size_t bindings = (o.size() - 8) / 3;
  if (bindings != pipeline.bindings) {
    return bad("a dispatch binds ", bindings, " buffers (", pipeline.bindings,
               " its pipeline has)");
  }
  const bool nothing = o[1] == 0 && o[2] == 0 && o[3] == 0;
  SLUICE_TRY(need(nothing || (o[1] != 0 && o[2] != 0 && o[3] != 0), "a grid is empty in part"));
  if (pipeline.uniform) {
    SLUICE_TRY(uniform_block(o[4], o[5]));
  } else {
    SLUICE_TRY(need(o[4] == kAbsent && o[5] == 0, "a uniform block has no place in its pipeline"));
  }
  for (size_t b = 0; b < bindings; ++b) {
    const Operands one = o.subspan(8 + 3 * b, 3);
    SLUICE_TRY(range(one, 256));
    const bool written = (pipeline.writable_mask >> b & 1) != 0;
    SLUICE_TRY(need(!written || buffers_[one[0]].usage == 0, "a dispatch writes to weights"));
    for (size_t other = 0; other < b; ++other) {
      const Operands two = o.subspan(8 + 3 * other, 3);
      const bool both = written && (pipeline.writable_mask >> other & 1) != 0;
      const bool either = written || (pipeline.writable_mask >> other & 1) != 0;
      if (two[0] != one[0] || !either) continue;
      const bool overlap = uint64_t{two[1]} < uint64_t{one[1]} + one[2] &&
                           uint64_t{one[1]} < uint64_t{two[1]} + two[2];
      SLUICE_TRY(need(both && !overlap, "one buffer is bound for reading and writing"));
    }
  }
  return {};
}

Result<void> Decoder::island(Operands o) {
  if (o.size() < 3) return bad("an island has ", o.size(), " operands");
  SLUICE_TRY(need(step_ == int64_t{o[0]}, "an island belongs to another step"));
  if (o.size() != 3 + 4 * (uint64_t{o[1]} + o[2])) {
    return bad("an island of ", o[1], " inputs and ", o[2], " outputs has ", o.size(), " operands");
  }
  int64_t last = -1;
  for (size_t i = 0; i < size_t{o[1]} + o[2]; ++i) {
    if (i == o[1]) last = -1;
    const Operands one = o.subspan(3 + 4 * i, 4);
    SLUICE_TRY(rising(last, one[0], "an island's value"));
    SLUICE_TRY(range(one.subspan(1)));
    SLUICE_TRY(need(i < o[1] || buffers_[one[1]].usage == 0, "an island writes to weights"));
  }
  return {};
}

Result<void> Decoder::instruction(Opcode opcode, Operands o) {
  const bool makes = opcode == Opcode::kBuffer || opcode == Opcode::kPipeline ||
                     opcode == Opcode::kConstant || opcode == Opcode::kUniforms ||
                     opcode == Opcode::kSentinel;
  if (opcode != Opcode::kPipeline) other_ = true;
  if (opcode != Opcode::kBegin && makes == begun_) {
    return bad(opcode_name(opcode), makes ? " comes after Begin" : " comes before Begin");
  }
  switch (opcode) {
    case Opcode::kBuffer:
      SLUICE_TRY(count(o, 2));
      if (o[0] == 0 || o[0] % 4 != 0 || o[0] == kAbsent || o[1] > 1) {
        return bad("a buffer has ", o[0], " bytes and usage ", o[1]);
      }
      buffers_.push_back({o[0], o[1]});
      return {};
    case Opcode::kPipeline:
      SLUICE_TRY(count(o, 5));
      SLUICE_TRY(string(o[0]));
      SLUICE_TRY(string(o[1]));
      if (o[2] > 1 || o[3] > kMostBindings || (o[3] < 32 && o[4] >> o[3] != 0)) {
        return bad("a pipeline has ", o[3], " bindings, writable mask ", o[4]);
      }
      pipelines_.push_back({o[2] == 1, o[3], o[4]});
      return {};
    case Opcode::kConstant:
      SLUICE_TRY(count(o, 4));
      SLUICE_TRY(rising(constant_, o[0], "constant"));
      SLUICE_TRY(range(o.subspan(1)));
      return need(buffers_[o[1]].usage == 1, "a constant lies in a work buffer");
    case Opcode::kUniforms:
      SLUICE_TRY(need(!uniforms_seen_, "a second uniform buffer is given"));
      uniforms_seen_ = true;
      uniform_bytes_ = o.size() * 4;
      return {};
    case Opcode::kSentinel:
      SLUICE_TRY(count(o, 3));
      SLUICE_TRY(need(!sentinel_seen_, "a second sentinel is given"));
      sentinel_seen_ = true;
      SLUICE_TRY(need(o[0] < pipelines_.size() && pipelines_[o[0]] == Signature{true, 1, 1},
                      "the sentinel's pipeline is not as it must be"));
      SLUICE_TRY(uniform_block(o[1], kSentinelBytes));
      return need(o[2] < buffers_.size() && buffers_[o[2]].bytes == kSentinelBytes &&
                      buffers_[o[2]].usage == 0,
                  "the sentinel's buffer is not as it must be");
    case Opcode::kBegin:
      SLUICE_TRY(count(o, 0));
      SLUICE_TRY(need(!begun_, "a second Begin"));
      begun_ = true;
      return need(sentinel_seen_, "there is no sentinel");
    case Opcode::kInput:
      SLUICE_TRY(count(o, 4));
      SLUICE_TRY(rising(input_, o[0], "input"));
      SLUICE_TRY(range(o.subspan(1)));
      return need(buffers_[o[1]].usage == 0, "an input lies among weights");
    case Opcode::kStep:
      SLUICE_TRY(count(o, 3));
      SLUICE_TRY(rising(step_, o[0], "step"));
      SLUICE_TRY(string(o[1]));
      return string(o[2]);
    case Opcode::kDispatch:
      return dispatch(o);
    case Opcode::kIsland:
      return island(o);
    case Opcode::kOutput:
      SLUICE_TRY(count(o, 4));
      SLUICE_TRY(rising(output_, o[0], "output"));
      return range(o.subspan(1));
    case Opcode::kFill:
      SLUICE_TRY(count(o, 4));
      SLUICE_TRY(range(o.subspan(1)));
      return need(buffers_[o[1]].usage == 0, "weights are filled");
  }
  return bad("there is no instruction ", static_cast<uint32_t>(opcode));
}

Result<std::vector<Instruction>> Decoder::decode() {
  if (words_.size() < kProgramHeaderWords || words_[0] != kProgramMagic) {
    return bad("it does not begin like one");
  }
  if (words_[1] != kProgramVersion) {
    return unsupported(
        cat("The encoded program has version ", words_[1], " (", kProgramVersion, " is read)"));
  }
  if (words_[2] != words_.size()) {
    return bad("it has ", words_.size(), " words (", words_[2], " it should have)");
  }
  std::vector<Instruction> out;
  for (at_ = kProgramHeaderWords; at_ < words_.size();) {
    const uint32_t head = words_[at_];
    const size_t operands = head >> 8;
    if (operands > words_.size() - at_ - 1) {
      return bad("an instruction of ", operands, " operands ends after the program");
    }
    const Instruction one{static_cast<Opcode>(head & 0xff), words_.subspan(at_ + 1, operands)};
    SLUICE_TRY(instruction(one.opcode, one.operands));
    out.push_back(one);
    at_ += 1 + operands;
  }
  if (!begun_ && other_) return bad("there is no Begin");
  return out;
}

}  // namespace

std::string_view opcode_name(Opcode opcode) {
  for (const OpcodeRow& row : kOpcodes) {
    if (row.opcode == opcode) return row.name;
  }
  return "?";
}

std::vector<SlotId> constants_of(const Plan& plan) {
  std::vector<SlotId> out;
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    const Slot& slot = plan.slots[s];
    if (slot.storage != Storage::kConstant || slot.format == DeviceFormat::kNone) continue;
    if (slot.type.dims) out.push_back(static_cast<SlotId>(s));
  }
  return out;
}

Result<Encoded> encode(const Plan& plan, const DeviceLayout& layout,
                       const Dim::Environment& symbols) {
  if (plan.backend != "webgpu") {
    return internal_error(cat("A plan for ", plan.backend, " has no encoded form"));
  }
  Encoder encoder(plan);
  SLUICE_TRY(encoder.pipelines());
  SLUICE_TRY(encoder.memory(layout, symbols));
  SLUICE_TRY(encoder.run(layout, symbols));
  return encoder.finish();
}

Result<Encoded> encode_pipelines(const Plan& plan) {
  Encoder encoder(plan);
  SLUICE_TRY(encoder.pipelines());
  return encoder.finish();
}

Result<std::vector<Instruction>> decode(std::span<const uint32_t> words,
                                        std::span<const std::string> strings) {
  return Decoder(words, strings).decode();
}

Result<std::string> disassemble(std::span<const uint32_t> words,
                                std::span<const std::string> strings) {
  SLUICE_ASSIGN(const std::vector<Instruction> program, decode(words, strings));
  std::string out;
  uint32_t buffers = 0, pipelines = 0;
  const auto range = [](std::span<const uint32_t> three) {
    return cat("buffer ", three[0], " at ", three[1], ", ", three[2], " bytes");
  };
  for (const Instruction& one : program) {
    const auto o = one.operands;
    out += opcode_name(one.opcode);
    switch (one.opcode) {
      case Opcode::kBuffer:
        out += cat(" ", buffers++, ": ", o[0], " bytes", o[1] == 1 ? ", weights" : "");
        break;
      case Opcode::kPipeline: {
        std::string access;
        for (uint32_t b = 0; b < o[3]; ++b) access += (o[4] >> b & 1) != 0 ? 'w' : 'r';
        out += cat(" ", pipelines++, ": ", quoted(strings[o[0]]), o[2] == 1 ? " uniform" : "", " ",
                   access, ", ", strings[o[1]].size(), " characters");
        break;
      }
      case Opcode::kConstant:
      case Opcode::kInput:
      case Opcode::kOutput:
        out += cat(" ", o[0], ": ", range(o.subspan(1)));
        break;
      case Opcode::kUniforms:
        out += cat(" ", o.size() * 4, " bytes");
        break;
      case Opcode::kBegin:
        break;
      case Opcode::kStep:
        out += cat(" ", o[0], ": ", quoted(strings[o[1]]), " ", quoted(strings[o[2]]));
        break;
      case Opcode::kDispatch:
        out += cat(" ", o[1], "x", o[2], "x", o[3], " pipeline ", o[0]);
        if (o[4] != kAbsent) out += cat(", uniform ", o[5], " bytes at ", o[4]);
        for (size_t b = 8; b < o.size(); b += 3) out += cat("\n  ", range(o.subspan(b, 3)));
        break;
      case Opcode::kIsland:
        out += cat(" ", o[0]);
        for (size_t i = 0; i < size_t{o[1]} + o[2]; ++i) {
          const auto four = o.subspan(3 + 4 * i, 4);
          out +=
              cat("\n  ", i < o[1] ? "reads " : "writes ", four[0], ": ", range(four.subspan(1)));
        }
        break;
      case Opcode::kFill:
        out += cat(" with ", o[0], ": ", range(o.subspan(1)));
        break;
      case Opcode::kSentinel:
        out += cat(" pipeline ", o[0], ", uniform at ", o[1], ", buffer ", o[2]);
        break;
    }
    out += "\n";
  }
  return out;
}

}  // namespace sluice::plan
