#include "exec/webgpu/readback.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "plan/encode.h"
#include "plan/poison.h"

namespace sluice::exec::webgpu {

namespace {

constexpr uint64_t kSentinelBytes = 16;

struct Mapped {
  bool done = false;
  bool ok = false;
  std::string message;
};

}  // namespace

Result<std::span<const std::byte>> map_for_reading(Driver& driver, WGPUBuffer staging,
                                                   uint64_t size_bytes, double extra_seconds) {
  const Library& library = *driver.library;
  const auto mapped = std::make_shared<Mapped>();
  WGPUBufferMapCallbackInfo callback = WGPU_BUFFER_MAP_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(mapped);
  callback.callback = [](WGPUMapAsyncStatus status, WGPUStringView message, void* held, void*) {
    const auto state = take<Mapped>(held);
    state->done = true;
    state->ok = status == WGPUMapAsyncStatus_Success;
    state->message = text_of(message);
  };
  library.BufferMapAsync(staging, WGPUMapMode_Read, 0, size_bytes, callback);
  SLUICE_TRY(driver.await([&] { return mapped->done; }, "results", extra_seconds));
  SLUICE_TRY(driver.check_alive("reading results back"));
  if (!mapped->ok) {
    return device_error(cat("The device does not give results back (", mapped->message, ")"));
  }
  const auto* bytes =
      static_cast<const std::byte*>(library.BufferGetConstMappedRange(staging, 0, size_bytes));
  if (bytes == nullptr) return device_error("The device maps results to no memory");
  return std::span(bytes, size_bytes);
}

PipelineRequest Readback::sentinel_request() {
  return {.label = "sentinel",
          .wgsl = plan::kSentinelShader,
          .signature = {.uniform = true, .writable = {true}}};
}

Result<void> Readback::set_up_sentinel(std::shared_ptr<CompiledPipeline> pipeline) {
  sentinel_ = std::move(pipeline);
  ErrorScopes scopes(driver_);
  SLUICE_ASSIGN(
      sentinel_number_,
      driver_.create_buffer(kSentinelBytes, WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst,
                            "sentinel number"));
  SLUICE_ASSIGN(sentinel_result_,
                driver_.create_buffer(
                    kSentinelBytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc, "sentinel"));
  const BoundBuffer bound[] = {{0, sentinel_number_.get(), 0, kSentinelBytes},
                               {1, sentinel_result_.get(), 0, kSentinelBytes}};
  sentinel_group_ = make_bind_group(driver_, *sentinel_, bound, "sentinel");
  return scopes.finish("setting the sentinel up");
}

Result<void> Readback::fetch(std::vector<Part>& parts, RunRecord& run,
                             FunctionRef<Result<void>(std::span<const std::byte>)> use) {
  uint64_t total = kSentinelBytes;
  for (Part& part : parts) {
    part.at = total;
    total += (part.size_bytes + 15) / 16 * 16;
  }
  if (total > staging_bytes_) {
    staging_.reset();
    SLUICE_ASSIGN(staging_,
                  driver_.create_buffer(total, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst,
                                        "readback"));
    staging_bytes_ = total;
  }
  // Successive numbers differ in many bits, and from the zeros of fresh memory.
  const uint32_t number = ++count_ * 2654435761u;
  if (sentinel_) {
    driver_.write_buffer(sentinel_number_.get(), 0, &number, sizeof number);
    recorder_.dispatch_one(sentinel_->pipeline.get(), sentinel_group_.get());
    recorder_.copy(sentinel_result_.get(), 0, staging_.get(), 0, kSentinelBytes);
  }
  for (const Part& part : parts) {
    if (part.size_bytes == 0) continue;
    recorder_.copy(part.buffer, part.offset_bytes, staging_.get(), part.at, part.size_bytes);
  }
  SLUICE_TRY(recorder_.submit());
  SLUICE_ASSIGN(const std::span<const std::byte> bytes,
                map_for_reading(driver_, staging_.get(), total, recorder_.time_allowance()));
  SLUICE_TRY(recorder_.finish());
  ++run.readbacks;
  Result<void> used = {};
  uint32_t found = 0;
  std::memcpy(&found, bytes.data(), sizeof found);
  if (sentinel_ && found != number) {
    used = device_error(cat("The device did not finish the work: its sentinel is ", found, " (",
                            number, " is wanted)"));
  } else {
    used = use(bytes);
  }
  driver_.library->BufferUnmap(staging_.get());
  return used;
}

// Slots in groups that one staging buffer can hold, which may be no larger than any other buffer; a
// slot that fills a buffer alone comes in pieces.
Result<std::vector<Tensor>> Readback::read(std::span<const plan::SlotId> slots, RunRecord& run) {
  const uint64_t most = driver_.limits.max_buffer_bytes / 16 * 16 - kSentinelBytes;
  struct Piece {
    size_t slot = 0;  // of `slots`
    uint64_t done = 0, size_bytes = 0;
  };
  std::vector<Piece> pieces;
  std::vector<Shape> shapes;
  std::vector<uint64_t> sizes;
  for (size_t i = 0; i < slots.size(); ++i) {
    SLUICE_ASSIGN(shapes.emplace_back(), resident_.shape(slots[i]));
    sizes.push_back(static_cast<uint64_t>(shapes[i].elements()) *
                    plan::element_bytes(plan_.slot(slots[i]).format));
    uint64_t done = 0;
    do {
      pieces.push_back({i, done, std::min(most, sizes[i] - done)});
      done += pieces.back().size_bytes;
    } while (done < sizes[i]);
  }
  std::vector<Tensor> out;
  std::vector<std::byte> gathered;  // of a slot in pieces
  for (size_t first = 0; first < pieces.size();) {
    std::vector<Part> parts;
    uint64_t total = 0;
    size_t last = first;
    for (; last < pieces.size(); ++last) {
      const Piece& piece = pieces[last];
      const uint64_t padded = (piece.size_bytes + 15) / 16 * 16;
      if (last != first && total + padded > most) break;
      total += padded;
      Part part;
      if (piece.size_bytes > 0) {
        SLUICE_ASSIGN(const Place at, resident_.place(slots[piece.slot]));
        part = {at.buffer, at.offset_bytes + piece.done, (piece.size_bytes + 3) / 4 * 4, 0};
      }
      parts.push_back(part);
    }
    const auto decode = [&](std::span<const std::byte> bytes) -> Result<void> {
      for (size_t p = first; p < last; ++p) {
        const size_t i = pieces[p].slot;
        const plan::Slot& slot = plan_.slot(slots[i]);
        auto whole = bytes.subspan(parts[p - first].at, pieces[p].size_bytes);
        if (pieces[p].size_bytes < sizes[i]) {
          gathered.insert(gathered.end(), whole.begin(), whole.end());
          if (gathered.size() < sizes[i]) continue;
          whole = gathered;
        }
        const plan::BitsSeen seen = plan::look_at_bits(whole, slot.format);
        run.saw_poison |= seen.poison;
        run.saw_nonfinite |= seen.nonfinite;
        SLUICE_ASSIGN(Tensor tensor,
                      plan::from_device(whole, slot.format, slot.type.dtype, shapes[i]));
        run.downloaded_bytes += sizes[i];
        out.push_back(std::move(tensor));
        gathered.clear();
      }
      return {};
    };
    SLUICE_TRY(fetch(parts, run, decode));
    first = last;
  }
  return out;
}

Result<std::vector<uint64_t>> Readback::read_words64(WGPUBuffer from, uint32_t count,
                                                     RunRecord& run) {
  std::vector<Part> parts = {{from, 0, uint64_t{count} * 8, 0}};
  std::vector<uint64_t> out(count);
  const auto decode = [&](std::span<const std::byte> bytes) -> Result<void> {
    std::memcpy(out.data(), bytes.data() + parts[0].at, uint64_t{count} * 8);
    return {};
  };
  SLUICE_TRY(fetch(parts, run, decode));
  return out;
}

}  // namespace sluice::exec::webgpu
