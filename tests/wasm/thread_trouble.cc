// Threads that never come back from their part of a kernel: one traps, one is silent. What the
// owner's call makes of that is judged by run.mjs ("threads").
#include <atomic>
#include <cstdint>

#include "exec/cpu/thread_pool.h"
#include "wasm/abi.h"

namespace {

using sluice::exec::cpu::ThreadPool;

enum Trouble : int32_t { kNone, kTrap, kSilence };

}  // namespace

// A job of two ranges, of which the owner holds the one until a worker has the other. The sum of
// all.
extern "C" SLUICE_EXPORT(sluice_test_threads) int32_t
    sluice_test_threads(int32_t trouble, int32_t patience) {
  ThreadPool::set_patience(patience);
  ThreadPool pool;
  std::atomic<int32_t> claimed = 0, sum = 0;
  pool.parallel_for(2, 1, [&](int64_t begin, int64_t end) {
    claimed.fetch_add(1);
    if (!ThreadPool::on_worker()) {
      while (claimed.load() < 2) {
      }
    } else if (trouble == kTrap) {
      __builtin_trap();
    } else if (trouble == kSilence) {
      static int32_t nobody = 0;
      while (true) __builtin_wasm_memory_atomic_wait32(&nobody, 0, -1);
    }
    for (int64_t i = begin; i < end; ++i) sum.fetch_add(static_cast<int32_t>(i) + 1);
  });
  return sum.load();
}
