// ThreadPool: the threads that kernels run on. parallel_for cuts [0, count) into ranges that depend
// on count and grain only, so a kernel that sums within a range gives the same bits on one thread
// as on many. Idle threads spin for some microseconds, then sleep. A call from inside a body runs
// inline, range by range. No call allocates. Without threads (wasm32-wasi) everything runs inline.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace sluice::exec::cpu {

class ThreadPool {
 public:
  using Body = FunctionRef<void(int64_t begin, int64_t end)>;

  // `threads` counts the caller, so one thread makes no worker. 0: one per core that the process
  // may use. At most kMaxThreads.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) once for every range of the partition, and returns when all calls have
  // returned. Several threads may call at once: one of them gets the workers, the others run
  // inline.
  void parallel_for(int64_t count, int64_t grain, Body body);

  // Number of ranges into which [0, count) is cut, each of at least `grain` elements where count
  // allows; range r is [count*r/n, count*(r+1)/n).
  static int64_t range_count(int64_t count, int64_t grain);

  static constexpr int kMaxThreads = 64;
  // More ranges than this would only add traffic on the shared counter.
  static constexpr int64_t kMaxRanges = 256;

 private:
  void work();
  // Claims ranges and runs them until none is left.
  void run_ranges();

  std::vector<std::thread> workers_;
  std::mutex caller_;  // held by the caller that owns the job below

  // The job. Written while no range is open, read only by whoever has claimed one.
  int64_t count_ = 0;
  int64_t ranges_ = 0;
  std::optional<Body> body_;

  // Each on its own cache line: claims, completions and wake-ups come from different threads.
  alignas(64) std::atomic<uint64_t> ticket_ = 0;      // high half: job number; low half: unclaimed
  alignas(64) std::atomic<uint32_t> unfinished_ = 0;  // ranges that have not returned
  alignas(64) std::atomic<uint32_t> wake_ = 0;        // counts jobs; workers sleep on it
  std::atomic<bool> stop_ = false;
};

}  // namespace sluice::exec::cpu
