// Threads of the module. The host starts them (abi.h tells how); here lies what they need: a block
// with their thread-local data and their stack, and an allocator that more than one thread may
// call, with large blocks apart. Fast kernels don't allocate on workers, which the tests check by
// the count below; some reference kernels do.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "exec/cpu/thread_pool.h"
#include "wasm/abi.h"
#include "wasm/pages.h"

namespace {

using sluice::exec::cpu::ThreadPool;
using sluice::wasm::kLargeBlock;

// Of a worker: kernels only, no recursion over graphs.
constexpr uint32_t kStackBytes = 256 << 10;

// Set by the owner before the first worker is there. Until then nobody need be kept out, and an
// atomic exchange takes as long as a small block.
bool has_threads = false;

std::atomic<bool> allocating = false;
std::atomic<uint32_t> worker_allocations = 0;

// Some minutes' worth: whoever holds the lock for so long has been ended by its host.
constexpr uint64_t kMostSpins = uint64_t{1} << 33;

struct AllocatorLock {
  AllocatorLock() {
    if (!has_threads) return;
    if (ThreadPool::on_worker()) worker_allocations.fetch_add(1, std::memory_order_relaxed);
    for (uint64_t spin = 0; allocating.exchange(true, std::memory_order_acquire); ++spin) {
      // A thread that has trapped may have been in here. Without a word: that would allocate.
      if (ThreadPool::has_failed() || spin == kMostSpins) __builtin_trap();
    }
  }
  ~AllocatorLock() {
    if (has_threads) allocating.store(false, std::memory_order_release);
  }
};

}  // namespace

extern "C" {

// The linker's --wrap: calls of malloc come to __wrap_malloc, and __real_malloc is wasi-libc's.
void* __real_malloc(size_t size);
void __real_free(void* data);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* data, size_t size);
void* __real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void** out, size_t alignment, size_t size);

// Large blocks are pages of their own (pages.h); where there are none any more, the heap may have a
// hole left.
static void* large(size_t size) {
  if (size < kLargeBlock) return nullptr;
  // The heap takes all of memory that there is when it is first asked: it must come before pages.
  static bool heap_begun = false;
  if (!heap_begun) __real_free(__real_malloc(1));
  heap_begun = true;
  return sluice::wasm::take_pages(size);
}

void* __wrap_malloc(size_t size) {
  const AllocatorLock lock;
  void* const pages = large(size);
  return pages != nullptr ? pages : __real_malloc(size);
}
void __wrap_free(void* data) {
  const AllocatorLock lock;
  if (sluice::wasm::is_pages(data)) return sluice::wasm::give_pages(data);
  __real_free(data);
}
void* __wrap_calloc(size_t count, size_t size) {
  const AllocatorLock lock;
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
  void* const pages = large(bytes);
  return pages != nullptr ? std::memset(pages, 0, bytes) : __real_calloc(count, size);
}
void* __wrap_realloc(void* data, size_t size) {
  const AllocatorLock lock;
  if (!sluice::wasm::is_pages(data)) return __real_realloc(data, size);
  return sluice::wasm::resize_pages(data, size);
}
void* __wrap_aligned_alloc(size_t alignment, size_t size) {
  const AllocatorLock lock;
  void* const pages = alignment <= sluice::wasm::kPageUnit ? large(size) : nullptr;
  return pages != nullptr ? pages : __real_aligned_alloc(alignment, size);
}
int __wrap_posix_memalign(void** out, size_t alignment, size_t size) {
  const AllocatorLock lock;
  void* const pages = alignment <= sluice::wasm::kPageUnit ? large(size) : nullptr;
  if (pages == nullptr) return __real_posix_memalign(out, alignment, size);
  *out = pages;
  return 0;
}

}  // extern "C"

void* sluice_thread_block() {
  has_threads = true;
  const uint32_t bytes = sluice_thread_block_bytes();
  return sluice_alloc(bytes);
}

uint32_t sluice_thread_block_bytes() {
  const auto tls = static_cast<uint32_t>(__builtin_wasm_tls_size());
  return (tls + kStackBytes + 63) / 64 * 64;
}

void sluice_thread_main(int32_t index) { ThreadPool::serve_workers(index); }

void sluice_thread_failed() { ThreadPool::worker_failed(); }

uint32_t sluice_worker_allocations() { return worker_allocations.load(); }
