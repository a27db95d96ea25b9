#include "exec/null/recorder.h"

#include <algorithm>

#include "base/text.h"
#include "plan/device_layout.h"
#include "plan/issue.h"

namespace sluice::exec::null {

using plan::DeviceFormat;
using plan::kNoSlot;
using plan::Plan;
using plan::Slot;
using plan::Step;

Result<std::string> record(const Plan& plan, const Dim::Environment& symbols,
                           const RecordOptions& options) {
  SLUICE_ASSIGN(const plan::DeviceLayout layout, plan::lay_out_device(plan, symbols));
  SLUICE_ASSIGN(const std::vector<plan::Issued> issued, plan::issue(plan, layout, symbols));
  std::string out;
  if (options.buffers) {
    for (size_t b = 0; b < layout.buffer_bytes.size(); ++b) {
      std::vector<std::string> names;
      for (size_t s = 0; s < plan.slots.size(); ++s) {
        const Slot& slot = plan.slots[s];
        if (layout.buffer[s] != static_cast<int32_t>(b) || slot.format == DeviceFormat::kNone ||
            slot.storage == plan::Storage::kAlias) {
          continue;
        }
        names.push_back(cat(quoted(slot.name), slot.storage == plan::Storage::kConstant
                                                   ? " constant"
                                               : slot.storage == plan::Storage::kInput ? " input"
                                                                                       : ""));
      }
      out += cat("buffer ", b, ": ", layout.buffer_bytes[b], " bytes: ", join(names, ", "), "\n");
    }
  }
  size_t next = 0;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    std::string makes;
    for (const plan::SlotId id : step.outputs) {
      if (id == kNoSlot) continue;
      makes += cat(makes.empty() ? "" : ", ", quoted(plan.slot(id).name), " ",
                   plan.slot(id).type.text());
    }
    out +=
        cat("step ", s, ": ", step.op, step.node.empty() ? "" : cat(" ", quoted(step.node)), " by ",
            plan.is_island(step) ? "the CPU (island)" : step.kernel, " -> ", makes, "\n");
    if (options.reasons && !step.why.empty()) out += cat("  because ", step.why, "\n");
    for (size_t d = 0; d < step.dispatches.size(); ++d, ++next) {
      const plan::Issued& one = issued[next];
      const plan::Pipeline& pipeline = plan.pipelines[static_cast<size_t>(one.pipeline)];
      std::vector<std::string> knobs;
      for (const auto& [name, value] : pipeline.knobs) knobs.push_back(cat(name, "=", value));
      out += cat("  dispatch ", one.grid.x, "x", one.grid.y, "x", one.grid.z, " ", pipeline.shader,
                 knobs.empty() ? "" : cat(" {", join(knobs, " "), "}"), ", ", one.bindings.size(),
                 " storage buffers\n");
      if (options.bindings) {
        for (size_t b = 0; b < one.bindings.size(); ++b) {
          const plan::BoundRange& bound = step.dispatches[d].bindings[b];
          out += cat("    ", bound.writable ? "write" : "read ", " buffer ", one.bindings[b].buffer,
                     " at ", one.bindings[b].offset_bytes, ", ", one.bindings[b].size_bytes,
                     " bytes: ", quoted(plan.slot(bound.range.slot).name), "\n");
        }
      }
      if (options.uniforms && !one.words.empty()) {
        std::vector<std::string> words;
        for (const uint32_t word : one.words) words.push_back(cat(word));
        out += cat("    uniform ", join(words, " "), "\n");
      }
    }
  }
  out += cat("memory: ", layout.total_bytes, " bytes on the device (weights ",
             layout.constant_bytes, ", uniforms ", layout.uniform_bytes, "), largest buffer ",
             layout.largest_buffer_bytes, ", largest binding ", layout.largest_binding_bytes,
             layout.largest_binding.empty() ? "" : cat(" (", layout.largest_binding, ")"),
             ", at most ", layout.most_storage_buffers, " storage buffers in a dispatch (",
             plan.limits.max_storage_buffers_per_stage, " is the limit)\n");
  return out;
}

}  // namespace sluice::exec::null
