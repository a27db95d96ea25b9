#include "exec/cpu/thread_pool.h"

#include <algorithm>

#ifdef __linux__
#include <sched.h>
#endif

namespace sluice::exec::cpu {
namespace {

// True while this thread runs a body: parallel_for then runs inline.
thread_local bool inside_body = false;

// One pause takes about 40 cycles, so this is some 30 microseconds: longer than the gap between two
// kernels, shorter than a scheduler's time slice.
constexpr int kSpins = 2000;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int usable_cores() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
#ifdef __wasm__
  return 1;
#else
  return static_cast<int>(std::thread::hardware_concurrency());
#endif
}

inline int64_t range_start(int64_t count, int64_t ranges, int64_t r) {
  // count * r may overflow for counts near 2^63: quotient and remainder are scaled apart.
  return count / ranges * r + count % ranges * r / ranges;
}

}  // namespace

int64_t ThreadPool::range_count(int64_t count, int64_t grain) {
  return std::clamp<int64_t>(count / std::max<int64_t>(grain, 1), 1, kMaxRanges);
}

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = usable_cores();
  threads = std::clamp(threads, 1, kMaxThreads);
#ifndef __wasm__
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
#endif
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(int64_t count, int64_t grain, Body body) {
  if (count <= 0) return;
  const int64_t ranges = range_count(count, grain);
  const bool parallel = ranges > 1 && !workers_.empty() && !inside_body && caller_.try_lock();
  if (!parallel) {
    const bool outer = inside_body;
    inside_body = true;
    for (int64_t r = 0; r < ranges; ++r) {
      body(range_start(count, ranges, r), range_start(count, ranges, r + 1));
    }
    inside_body = outer;
    return;
  }

  count_ = count;
  ranges_ = ranges;
  body_.emplace(body);
  unfinished_.store(static_cast<uint32_t>(ranges), std::memory_order_relaxed);
  const uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(job << 32 | static_cast<uint64_t>(ranges), std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();

  inside_body = true;
  run_ranges();
  inside_body = false;

  for (int spin = 0;; ++spin) {
    const uint32_t left = unfinished_.load(std::memory_order_acquire);
    if (left == 0) break;
    if (spin < kSpins) {
      pause();
    } else {
      unfinished_.wait(left, std::memory_order_acquire);
    }
  }
  caller_.unlock();
}

void ThreadPool::run_ranges() {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (true) {
    const auto left = static_cast<int64_t>(ticket & 0xffffffffu);
    if (left == 0) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    // The claim keeps the job open, so its fields hold still until this range has been counted off.
    const int64_t r = ranges_ - left;
    (*body_)(range_start(count_, ranges_, r), range_start(count_, ranges_, r + 1));
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::work() {
  inside_body = true;  // whatever a worker calls is inside a body
  int spin = 0;
  while (!stop_.load(std::memory_order_acquire)) {
    const uint32_t seen = wake_.load(std::memory_order_acquire);
    if ((ticket_.load(std::memory_order_acquire) & 0xffffffffu) != 0) {
      run_ranges();
      spin = 0;
    } else if (spin < kSpins) {
      ++spin;
      pause();
    } else {
      // A job published after `seen` was read has changed wake_, and the wait returns at once.
      wake_.wait(seen, std::memory_order_acquire);
      spin = 0;
    }
  }
}

}  // namespace sluice::exec::cpu
