#include "exec/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <optional>

#ifndef __wasm__
#include <thread>
#include <vector>
#endif
#ifdef __linux__
#include <sched.h>
#endif

#include "base/check.h"

namespace sluice::exec::cpu {
namespace {

// True while this thread runs a body: parallel_for then runs inline.
thread_local bool inside_body = false;

// Longer than the gap between two kernels, shorter than a scheduler's time slice: some 30
// microseconds. One pause takes about 40 cycles on x86; WebAssembly has none, and a load takes 3.
#ifdef __wasm__
constexpr int kSpins = 30000;
#else
constexpr int kSpins = 2000;
#endif

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Sleeps while `word` holds `old`. The C++ library for WebAssembly is built without threads: its
// atomic wait only polls.
#ifdef __wasm__
// False: it still held `old` after so long (-1: for ever).
bool sleep_while(std::atomic<uint32_t>& word, uint32_t old, int64_t nanoseconds = -1) {
  return __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(&word), static_cast<int>(old),
                                             nanoseconds) != 2;
}
#else
void sleep_while(std::atomic<uint32_t>& word, uint32_t old) {
  word.wait(old, std::memory_order_acquire);
}
#endif

void wake_all(std::atomic<uint32_t>& word) {
#ifdef __wasm__
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&word), ~0u);
#else
  word.notify_all();
#endif
}

#ifndef __wasm__
int usable_cores() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}
#endif

inline int64_t range_start(int64_t count, int64_t ranges, int64_t r) {
  // count * r may overflow for counts near 2^63: quotient and remainder are scaled apart.
  return count / ranges * r + count % ranges * r / ranges;
}

}  // namespace

// The job and who works on it.
struct ThreadPool::Team {
  std::atomic<bool> taken = false;  // by the caller that owns the job

  // Written while no range is open, read only by whoever has claimed one.
  int64_t count = 0;
  int64_t ranges = 0;
  std::optional<Body> body;

  // Each on its own cache line: claims, completions and wake-ups come from different threads.
  alignas(64) std::atomic<uint64_t> ticket = 0;      // high half: job number; low half: unclaimed
  alignas(64) std::atomic<uint32_t> unfinished = 0;  // ranges that have not returned
  alignas(64) std::atomic<uint32_t> wake = 0;        // counts jobs; workers sleep on it
  std::atomic<bool> stop = false;
  std::atomic<bool> failed = false;  // a worker has: the job will never be finished
  std::atomic<int> threads = 1;      // of the latest job's pool
#ifndef __wasm__
  std::vector<std::thread> workers;
#endif

  // Claims ranges and runs them until none is left.
  void run_ranges();
  // Until the ranges that others have claimed have returned, too.
  void wait_for_others();
  void work(int index);
};

int64_t ThreadPool::range_count(int64_t count, int64_t grain) {
#ifdef __wasm__
  // Grains are meant in time, and counted for the vectors of native instruction sets.
  grain /= 4;
#endif
  return std::clamp<int64_t>(count / std::max<int64_t>(grain, 1), 1, kMaxRanges);
}

#ifdef __wasm__

namespace {
int worker_count = 0;
int patience_seconds = 120;
thread_local bool is_worker = false;
}  // namespace

ThreadPool::Team& ThreadPool::everyone() {
  static constinit Team team;
  return team;
}

void ThreadPool::set_worker_count(int workers) {
  worker_count = std::clamp(workers, 0, kMaxThreads - 1);
}

void ThreadPool::serve_workers(int index) {
  is_worker = true;
  while (true) everyone().work(index);
}

void ThreadPool::worker_failed() {
  Team& team = everyone();
  team.failed.store(true, std::memory_order_release);
  // Whoever sleeps on the count sleeps while it has the value that it saw.
  team.unfinished.fetch_add(1 << 16, std::memory_order_acq_rel);
  wake_all(team.unfinished);
}

bool ThreadPool::has_failed() { return everyone().failed.load(std::memory_order_acquire); }

bool ThreadPool::on_worker() { return is_worker; }

void ThreadPool::set_patience(int seconds) { patience_seconds = seconds; }

// Seconds are counted in waits: a clock goes on while the machine sleeps.
void ThreadPool::Team::wait_for_others() {
  uint32_t before = 0;
  int silent_seconds = 0;
  for (int spin = 0;; ++spin) {
    const uint32_t left = unfinished.load(std::memory_order_acquire);
    if (left == 0) return;
    if (failed.load(std::memory_order_acquire)) {
      check_failed("a thread ends its part of a kernel without a trap", __FILE__, __LINE__);
    }
    if (left != before) silent_seconds = 0;
    before = left;
    if (spin < kSpins) continue;
    if (sleep_while(unfinished, left, 1'000'000'000) || ++silent_seconds < patience_seconds)
      continue;
    check_failed("a thread comes back from its part of a kernel within two minutes", __FILE__,
                 __LINE__);
  }
}

ThreadPool::ThreadPool(int threads) {
  const int most = worker_count + 1;
  threads_ = threads <= 0 ? most : std::min(threads, most);
  if (threads_ > 1) team_ = std::shared_ptr<Team>(&everyone(), [](Team*) {});
}

ThreadPool::~ThreadPool() = default;

#else

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = usable_cores();
  threads_ = std::clamp(threads, 1, kMaxThreads);
  if (threads_ == 1) return;
  team_ = std::make_shared<Team>();
  team_->workers.reserve(static_cast<size_t>(threads_ - 1));
  for (int i = 1; i < threads_; ++i) {
    team_->workers.emplace_back([team = team_.get(), i] { team->work(i); });
  }
}

ThreadPool::~ThreadPool() {
  if (team_ == nullptr) return;
  team_->stop.store(true, std::memory_order_release);
  team_->wake.fetch_add(1, std::memory_order_release);
  wake_all(team_->wake);
  for (std::thread& worker : team_->workers) worker.join();
}

void ThreadPool::Team::wait_for_others() {
  for (int spin = 0;; ++spin) {
    const uint32_t left = unfinished.load(std::memory_order_acquire);
    if (left == 0) return;
    if (spin < kSpins) {
      pause();
    } else {
      sleep_while(unfinished, left);
    }
  }
}

#endif

void ThreadPool::parallel_for(int64_t count, int64_t grain, Body body) {
  if (count <= 0) return;
  const int64_t ranges = range_count(count, grain);
  const bool parallel = ranges > 1 && team_ != nullptr && !inside_body &&
                        !team_->taken.exchange(true, std::memory_order_acquire);
  if (!parallel) {
    const bool outer = inside_body;
    inside_body = true;
    for (int64_t r = 0; r < ranges; ++r) {
      body(range_start(count, ranges, r), range_start(count, ranges, r + 1));
    }
    inside_body = outer;
    return;
  }

  Team& team = *team_;
  team.count = count;
  team.ranges = ranges;
  team.body.emplace(body);
  team.threads.store(threads_, std::memory_order_relaxed);
  team.unfinished.store(static_cast<uint32_t>(ranges), std::memory_order_relaxed);
  const uint64_t job = (team.ticket.load(std::memory_order_relaxed) >> 32) + 1;
  team.ticket.store(job << 32 | static_cast<uint64_t>(ranges), std::memory_order_release);
  team.wake.fetch_add(1, std::memory_order_release);
  wake_all(team.wake);

  inside_body = true;
  team.run_ranges();
  inside_body = false;

  team.wait_for_others();
  team.taken.store(false, std::memory_order_release);
}

void ThreadPool::Team::run_ranges() {
  uint64_t mine = ticket.load(std::memory_order_acquire);
  while (true) {
    const auto left = static_cast<int64_t>(mine & 0xffffffffu);
    if (left == 0) return;
    if (!ticket.compare_exchange_weak(mine, mine - 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      continue;
    }
    // The claim keeps the job open, so its fields hold still until this range has been counted off.
    const int64_t r = ranges - left;
    (*body)(range_start(count, ranges, r), range_start(count, ranges, r + 1));
    if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) wake_all(unfinished);
    mine = ticket.load(std::memory_order_acquire);
  }
}

// Until `stop`. A pool of fewer threads than there are workers leaves those with a higher index
// asleep.
void ThreadPool::Team::work(int index) {
  inside_body = true;  // whatever a worker calls is inside a body
  int spin = 0;
  while (!stop.load(std::memory_order_acquire)) {
    const uint32_t seen = wake.load(std::memory_order_acquire);
    if ((ticket.load(std::memory_order_acquire) & 0xffffffffu) != 0 &&
        index < threads.load(std::memory_order_relaxed)) {
      run_ranges();
      spin = 0;
    } else if (spin < kSpins) {
      ++spin;
      pause();
    } else {
      // A job published after `seen` was read has changed wake, and the wait returns at once.
      sleep_while(wake, seen);
      spin = 0;
    }
  }
}

}  // namespace sluice::exec::cpu
