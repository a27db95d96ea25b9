#include "exec/null/program.h"

#include "base/json.h"
#include "base/text.h"
#include "plan/device_layout.h"
#include "plan/issue.h"

namespace sluice::exec::null {

using plan::DeviceFormat;
using plan::Plan;
using plan::Slot;
using plan::SlotId;

std::string base64(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) {
      three = three << 8 | (k < count ? std::to_integer<uint32_t>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += k <= count ? kDigits[three >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

namespace {

Result<Dim::Environment> symbols_of(const Plan& plan, std::span<const Value> inputs) {
  if (inputs.size() != plan.inputs.size()) {
    return internal_error(cat(inputs.size(), " inputs are given (", plan.inputs.size(), ")"));
  }
  Dim::Environment symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Slot& slot = plan.slot(plan.inputs[i]);
    if (!inputs[i].is_tensor()) {
      return unsupported(cat("The input ", sluice::quoted(slot.name), " is no tensor"));
    }
    SLUICE_TRY(
        plan::bind_symbols(slot.type, inputs[i].tensor(), sluice::quoted(slot.name), symbols));
  }
  return symbols;
}

// Constants and inputs, as they lie on the device before the first dispatch.
Result<Json> buffers_of(const Plan& plan, const plan::DeviceLayout& layout,
                        std::span<const Value> inputs) {
  Json buffers = Json::array();
  for (const uint64_t size : layout.buffer_bytes) buffers.push_back({{"size", size}});
  const auto put = [&](SlotId id, const Tensor& tensor) -> Result<void> {
    const Slot& slot = plan.slot(id);
    const int32_t buffer = layout.buffer[static_cast<size_t>(id)];
    if (slot.format == DeviceFormat::kNone || buffer < 0 || tensor.elements() == 0) return {};
    SLUICE_ASSIGN(std::vector<std::byte> bytes, plan::to_device(tensor, slot.format));
    bytes.resize((bytes.size() + 3) / 4 * 4);  // queue.writeBuffer moves whole words
    buffers[static_cast<size_t>(buffer)]["data"] = base64(bytes);
    return {};
  };
  for (size_t s = 0; s < plan.slots.size(); ++s) {
    if (plan.slots[s].storage != plan::Storage::kConstant || !plan.slots[s].constant) continue;
    SLUICE_TRY(put(static_cast<SlotId>(s), *plan.slots[s].constant));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    SLUICE_TRY(put(plan.inputs[i], inputs[i].tensor()));
  }
  return buffers;
}

Result<Json> outputs_of(const Plan& plan, const plan::DeviceLayout& layout,
                        const Dim::Environment& symbols) {
  Json outputs = Json::array();
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    if (plan.outputs[i] == plan::kNoSlot) continue;
    const Slot& slot = plan.slot(plan.outputs[i]);
    if (slot.format == DeviceFormat::kNone ||
        layout.buffer[static_cast<size_t>(plan.outputs[i])] < 0)
      continue;
    SLUICE_ASSIGN(const plan::ResolvedBinding at,
                  plan::resolve(plan, layout, {.range = plan.outputs[i]}, symbols));
    uint64_t size = plan::element_bytes(slot.format);
    std::vector<int64_t> shape;
    for (const Dim& dim : *slot.type.dims) {
      const auto extent = dim.evaluate(symbols);  // lay_out_device has checked it
      shape.push_back(extent.value_or(0));
      size *= static_cast<uint64_t>(shape.back());
    }
    outputs.push_back({{"index", i},
                       {"name", slot.name},
                       {"buffer", at.buffer},
                       {"offset", at.offset_bytes},
                       {"size", size},
                       {"format", plan::wgsl_type(slot.format)},
                       {"dtype", dtype_name(slot.type.dtype)},
                       {"shape", shape}});
  }
  return outputs;
}

}  // namespace

Result<std::string> to_program(const Plan& plan, std::span<const Value> inputs) {
  for (const plan::Step& step : plan.steps) {
    if (plan.is_island(step)) {
      return unsupported(cat("The plan has an island: ", step.op, " runs on the CPU"));
    }
  }
  SLUICE_ASSIGN(const Dim::Environment symbols, symbols_of(plan, inputs));
  SLUICE_ASSIGN(const plan::DeviceLayout layout, plan::lay_out_device(plan, symbols));
  SLUICE_ASSIGN(const std::vector<plan::Issued> issued, plan::issue(plan, layout, symbols));

  Json program;
  program["pipelines"] = Json::array();
  for (const plan::Pipeline& pipeline : plan.pipelines) {
    Json knobs = Json::object();
    for (const auto& [name, value] : pipeline.knobs) knobs[name] = value;
    program["pipelines"].push_back(
        {{"shader", pipeline.shader}, {"knobs", knobs}, {"wgsl", pipeline.wgsl}});
  }
  SLUICE_ASSIGN(program["buffers"], buffers_of(plan, layout, inputs));
  program["dispatches"] = Json::array();
  size_t next = 0;
  for (const plan::Step& step : plan.steps) {
    for (const plan::Dispatch& dispatch : step.dispatches) {
      const plan::Issued& one = issued[next++];
      if (one.grid.x == 0) continue;
      Json bindings = Json::array();
      for (size_t b = 0; b < one.bindings.size(); ++b) {
        bindings.push_back({{"buffer", one.bindings[b].buffer},
                            {"offset", one.bindings[b].offset_bytes},
                            {"size", one.bindings[b].size_bytes},
                            {"writable", dispatch.bindings[b].writable}});
      }
      program["dispatches"].push_back({{"pipeline", one.pipeline},
                                       {"grid", {one.grid.x, one.grid.y, one.grid.z}},
                                       {"uniform", one.words},
                                       {"op", step.op},
                                       {"bindings", std::move(bindings)}});
    }
  }
  SLUICE_ASSIGN(program["outputs"], outputs_of(plan, layout, symbols));
  return json_text(program);
}

}  // namespace sluice::exec::null
