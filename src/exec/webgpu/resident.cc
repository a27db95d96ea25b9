#include "exec/webgpu/resident.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/text.h"

namespace sluice::exec::webgpu {

namespace {

// The library copies what queue.writeBuffer gets; pieces keep that copy small beside a model of
// gigabytes.
constexpr size_t kUploadPiece = 8u << 20;
constexpr uint64_t kUploadsInFlight = 64u << 20;

struct WorkDone {
  bool done = false;
};

std::shared_ptr<WorkDone> work_done(Driver& driver) {
  const auto state = std::make_shared<WorkDone>();
  WGPUQueueWorkDoneCallbackInfo callback = WGPU_QUEUE_WORK_DONE_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(state);
  callback.callback = [](WGPUQueueWorkDoneStatus, WGPUStringView, void* held, void*) {
    take<WorkDone>(held)->done = true;
  };
  driver.library->QueueOnSubmittedWorkDone(driver.queue.get(), callback);
  return state;
}

bool same_start(const plan::ResolvedBinding& a, const plan::ResolvedBinding& b) {
  return a.buffer == b.buffer && a.offset_bytes == b.offset_bytes;
}
bool covers(const plan::ResolvedBinding& bound, const plan::ResolvedBinding& wanted) {
  return same_start(bound, wanted) && bound.size_bytes >= wanted.size_bytes;
}

}  // namespace

Result<void> Resident::prepare(const Dim::Environment& symbols, FaultInjector* faults,
                               LoadRecord& load, RunRecord* run) {
  const auto begin = Clock::now();
  SLUICE_ASSIGN(plan::DeviceLayout layout,
                plan::lay_out_device(plan_, symbols, prepared_ ? &layout_ : nullptr));
  layout_ = std::move(layout);
  symbols_ = symbols;
  prepared_ = false;
  if (Result<void> made = make_everything(faults, load, run); !made) {
    // Half of it would be for these symbols and half for those before.
    for (const Buffer& buffer : buffers_) load.buffer_bytes -= buffer.size_bytes;
    buffers_.clear();
    dispatches_.clear();
    first_.clear();
    uniforms_.reset();
    uniform_words_.clear();
    return made;
  }
  prepared_ = true;
  load.upload_seconds += seconds_since(begin);
  return {};
}

Result<void> Resident::make_everything(FaultInjector* faults, LoadRecord& load, RunRecord* run) {
  ErrorScopes scopes(driver_);
  SLUICE_ASSIGN(const bool buffers_moved, make_buffers(load, run));
  SLUICE_TRY(driver_.fault_point(Stage::kUpload, faults));
  SLUICE_TRY(upload_constants(load));
  SLUICE_TRY(write_uniforms());
  SLUICE_TRY(bind(buffers_moved, load, run));
  return scopes.finish("setting the plan's memory up");
}

Result<bool> Resident::make_buffers(LoadRecord& load, RunRecord* run) {
  bool moved = false;
  buffers_.resize(layout_.buffer_bytes.size());
  for (size_t s = 0; s < plan_.slots.size(); ++s) {
    if (plan_.slots[s].storage == plan::Storage::kConstant && layout_.buffer[s] >= 0) {
      buffers_[static_cast<size_t>(layout_.buffer[s])].weights = true;
    }
  }
  for (size_t b = 0; b < buffers_.size(); ++b) {
    Buffer& buffer = buffers_[b];
    buffer.fresh = false;
    if (buffer.handle && buffer.size_bytes >= layout_.buffer_bytes[b]) continue;
    load.buffer_bytes -= std::exchange(buffer.size_bytes, 0);
    buffer.handle.reset();
    SLUICE_ASSIGN(buffer.handle,
                  driver_.create_buffer(
                      layout_.buffer_bytes[b],
                      WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst,
                      buffer.weights ? "weights" : "values"));
    buffer.size_bytes = layout_.buffer_bytes[b];
    buffer.fresh = true;
    moved = true;
    load.buffer_bytes += buffer.size_bytes;
    ++load.buffers;
    if (run != nullptr) ++run->new_buffers;
  }
  return moved;
}

Result<void> Resident::upload_constants(LoadRecord& load) {
  uint64_t in_flight = 0;
  for (size_t s = 0; s < plan_.slots.size(); ++s) {
    const plan::Slot& slot = plan_.slots[s];
    if (slot.storage != plan::Storage::kConstant || layout_.buffer[s] < 0) continue;
    if (!buffers_[static_cast<size_t>(layout_.buffer[s])].fresh) continue;
    if (!slot.constant) {
      return internal_error(cat("The constant ", quoted(slot.name), " has no elements"));
    }
    SLUICE_ASSIGN(const uint64_t bytes, upload(static_cast<plan::SlotId>(s), *slot.constant));
    load.constant_bytes += bytes;
    in_flight += bytes;
    if (in_flight < kUploadsInFlight) continue;
    const auto state = work_done(driver_);
    SLUICE_TRY(driver_.await([&] { return state->done; }, "weights to be uploaded"));
    in_flight = 0;
  }
  return {};
}

Result<void> Resident::write_uniforms() {
  const uint64_t alignment = std::max<uint32_t>(plan_.limits.min_uniform_offset_alignment, 16);
  const bool first_time = first_.empty();
  std::vector<uint32_t> image;
  size_t index = 0;
  for (const plan::Step& step : plan_.steps) {
    if (first_time) first_.push_back(dispatches_.size());
    for (const plan::Dispatch& dispatch : step.dispatches) {
      if (first_time) dispatches_.emplace_back();
      BoundDispatch& bound = dispatches_[index++];
      if (dispatch.params.empty()) continue;
      SLUICE_ASSIGN(const std::vector<uint32_t> words, plan::evaluate_words(dispatch, symbols_));
      bound.uniform_offset = image.size() * 4;
      image.insert(image.end(), words.begin(), words.end());
      image.resize((image.size() * 4 + alignment - 1) / alignment * alignment / 4);
    }
  }
  if (first_time) first_.push_back(dispatches_.size());
  if (image.empty()) return {};
  if (!uniforms_) {
    SLUICE_ASSIGN(uniforms_, driver_.create_buffer(
                                 image.size() * 4,
                                 WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst, "uniforms"));
  }
  if (image != uniform_words_) {
    driver_.write_buffer(uniforms_.get(), 0, image.data(), image.size() * 4);
    uniform_words_ = std::move(image);
  }
  return {};
}

Result<void> Resident::bind(bool buffers_moved, LoadRecord& load, RunRecord* run) {
  size_t index = 0;
  for (const plan::Step& step : plan_.steps) {
    for (const plan::Dispatch& dispatch : step.dispatches) {
      BoundDispatch& out = dispatches_[index++];
      out.pipeline = pipelines_[static_cast<size_t>(dispatch.pipeline)].get();
      const auto workgroups = dispatch.workgroups.evaluate(symbols_);
      if (!workgroups || *workgroups < 0) {
        return internal_error(cat("A dispatch of ", step.op, " ", quoted(step.node), " has ",
                                  dispatch.workgroups.text(), " workgroups"));
      }
      SLUICE_ASSIGN(out.grid, plan::fold_grid(static_cast<uint64_t>(*workgroups),
                                              plan_.limits.max_workgroups_per_dimension));
      std::vector<plan::ResolvedBinding> bound;
      out.bytes = 0;
      for (const plan::BoundRange& range : dispatch.bindings) {
        SLUICE_ASSIGN(const plan::ResolvedBinding at,
                      plan::resolve(plan_, layout_, range, symbols_));
        if (at.buffer < 0) {
          return internal_error(cat(step.op, " ", quoted(step.node), " binds ",
                                    quoted(plan_.slot(range.range.slot).name),
                                    ", which is not on the device"));
        }
        out.bytes += at.size_bytes;
        bound.push_back(at);
      }
      // Shaders compare with bounds in their uniforms, never with the length of a binding, so a
      // group made for larger extents serves smaller ones, and ranges only ever grow.
      if (out.group && !buffers_moved && std::ranges::equal(out.bound, bound, covers)) continue;
      if (out.group && std::ranges::equal(out.bound, bound, same_start)) {
        for (size_t i = 0; i < bound.size(); ++i) {
          bound[i].size_bytes = std::max(bound[i].size_bytes, out.bound[i].size_bytes);
        }
      }
      out.bound = std::move(bound);
      std::vector<BoundBuffer> entries;
      if (out.pipeline->signature.uniform) {
        const uint64_t size = Checked(dispatch.params.size() * 4).round_up(16).value();
        entries.push_back({0, uniforms_.get(), out.uniform_offset, size});
      }
      for (size_t i = 0; i < out.bound.size(); ++i) {
        const plan::ResolvedBinding& at = out.bound[i];
        entries.push_back({static_cast<uint32_t>(1 + i),
                           buffers_[static_cast<size_t>(at.buffer)].handle.get(), at.offset_bytes,
                           at.size_bytes});
      }
      out.group = make_bind_group(driver_, *out.pipeline, entries, cat(step.op, " ", step.node));
      ++load.bind_groups;
      if (run != nullptr) ++run->new_bind_groups;
    }
  }
  return {};
}

Result<Place> Resident::place(plan::SlotId id) const {
  plan::BoundRange whole{.range = id};
  SLUICE_ASSIGN(const plan::ResolvedBinding at, plan::resolve(plan_, layout_, whole, symbols_));
  if (at.buffer < 0) {
    return internal_error(cat(quoted(plan_.slot(id).name), " is not on the device"));
  }
  return Place{buffers_[static_cast<size_t>(at.buffer)].handle.get(), at.offset_bytes};
}

Result<Shape> Resident::shape(plan::SlotId id) const {
  const plan::Slot& slot = plan_.slot(id);
  if (!slot.type.dims || slot.type.dims->size() > kMaxRank) {
    return internal_error(cat("The rank of ", quoted(slot.name), " is not known"));
  }
  Shape out;
  for (const Dim& dim : *slot.type.dims) {
    const auto extent = dim.evaluate(symbols_);
    if (!extent || *extent < 0) {
      return internal_error(
          cat("The extents of ", quoted(slot.name), " (", slot.type.text(), ") are not known"));
    }
    out.push_back(*extent);
  }
  return out;
}

Result<uint64_t> Resident::upload(plan::SlotId id, const Tensor& tensor) const {
  const plan::Slot& slot = plan_.slot(id);
  SLUICE_ASSIGN(const Shape wanted, shape(id));
  if (tensor.dtype() != slot.type.dtype || !(tensor.shape() == wanted)) {
    return internal_error(cat(quoted(slot.name), " is ", tensor.text(), " (",
                              dtype_name(slot.type.dtype), wanted.text(), " is wanted)"));
  }
  if (tensor.elements() == 0) return 0;
  SLUICE_ASSIGN(const Place at, place(id));
  // The same elements on both sides need no conversion.
  std::vector<std::byte> converted;
  std::span<const std::byte> bytes = tensor.bytes();
  const bool plain = tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kInt32 ||
                     tensor.dtype() == DType::kUInt32 || tensor.dtype() == DType::kInt64;
  if (!plain ||
      bytes.size() != static_cast<size_t>(tensor.elements()) * plan::element_bytes(slot.format)) {
    SLUICE_ASSIGN(converted, plan::to_device(tensor, slot.format));
    converted.resize((converted.size() + 3) / 4 * 4);  // queue.writeBuffer moves whole words
    bytes = converted;
  }
  for (size_t done = 0; done < bytes.size(); done += kUploadPiece) {
    const size_t piece = std::min(kUploadPiece, bytes.size() - done);
    driver_.write_buffer(at.buffer, at.offset_bytes + done, bytes.data() + done, piece);
  }
  return bytes.size();
}

void Resident::fill(uint32_t word, bool random) const {
  std::vector<uint32_t> words;
  for (const Buffer& buffer : buffers_) {
    if (buffer.weights) continue;
    size_t filled = words.size();
    words.resize(std::max<size_t>(filled, buffer.size_bytes / 4), word);
    for (uint32_t x = word ^ 0x9e3779b9U; random && filled < words.size(); ++filled) {
      x ^= x << 13;  // xorshift32
      x ^= x >> 17;
      x ^= x << 5;
      words[filled] = x;
    }
    driver_.write_buffer(buffer.handle.get(), 0, words.data(), buffer.size_bytes);
  }
}

}  // namespace sluice::exec::webgpu
