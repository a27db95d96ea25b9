// ThreadPool: the threads that kernels run on. parallel_for cuts [0, count) into ranges that depend
// on count and grain only, so a kernel that sums within a range gives the same bits on one thread
// as on many. Idle threads spin for some microseconds, then sleep. A call from inside a body runs
// inline, range by range. No call allocates.
//
// In WebAssembly a module can't start threads: its host starts workers that call serve_workers, and
// all pools share them. A body must not allocate there, nor copy what counts references (Tensor,
// Value): neither malloc nor shared_ptr of that C++ library knows threads.
#pragma once

#include <cstdint>
#include <memory>

#include "base/function_ref.h"

namespace sluice::exec::cpu {

class ThreadPool {
 public:
  using Body = FunctionRef<void(int64_t begin, int64_t end)>;

  // `threads` counts the caller, so one thread makes no worker. 0: one per core that the process
  // may use (WebAssembly: as many as set_worker_count has said). At most kMaxThreads.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

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

#ifdef __wasm__
  // How many workers the host starts. Before the first pool is made.
  static void set_worker_count(int workers);
  // What worker `index` (from 1) does for the rest of its life.
  [[noreturn]] static void serve_workers(int index);
  // A worker has trapped: whoever waits for its range traps, too, instead of waiting for ever. So
  // does who waits for one that its host has ended without a word, after two minutes in which no
  // range has returned.
  static void worker_failed();
  static bool has_failed();
  // For tests: fewer seconds.
  static void set_patience(int seconds);
  // True on a thread other than the one that owns the module.
  static bool on_worker();
#endif

 private:
  struct Team;
#ifdef __wasm__
  static Team& everyone();
#endif
  int threads_ = 1;
  std::shared_ptr<Team> team_;  // null with one thread
};

}  // namespace sluice::exec::cpu
