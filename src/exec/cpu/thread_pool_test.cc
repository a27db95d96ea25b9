#include "exec/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::exec::cpu {
namespace {

std::vector<std::pair<int64_t, int64_t>> ranges_of(ThreadPool& pool, int64_t count, int64_t grain) {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  std::mutex mutex;
  pool.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    ranges.emplace_back(begin, end);
  });
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

TEST(ThreadPool, RangesCoverOnceAndDoNotDependOnThreads) {
  ThreadPool one(1), two(2), four(4);
  EXPECT_EQ(four.threads(), 4);
  for (const int64_t count : {0, 1, 2, 3, 7, 127, 129, 1000, 100000}) {
    for (const int64_t grain : {0, 1, 2, 64, 5000}) {
      const auto ranges = ranges_of(one, count, grain);
      int64_t next = 0;
      for (const auto& [begin, end] : ranges) {
        EXPECT_EQ(begin, next);
        EXPECT_LT(begin, end);
        EXPECT_GE(end - begin, std::min(count, grain));
        next = end;
      }
      EXPECT_EQ(next, count);
      EXPECT_EQ(ranges, ranges_of(two, count, grain));
      EXPECT_EQ(ranges, ranges_of(four, count, grain));
    }
  }
}

TEST(ThreadPool, HugeCountsDoNotOverflow) {
  ThreadPool pool(2);
  std::atomic<int64_t> total = 0;
  const int64_t count = int64_t{1} << 62;
  pool.parallel_for(count, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
  EXPECT_EQ(total, count);
}

TEST(ThreadPool, ManySmallJobs) {
  ThreadPool pool(4);
  for (int round = 0; round < 20000; ++round) {
    std::atomic<int> hits = 0;
    pool.parallel_for(8, 1, [&](int64_t begin, int64_t end) {
      hits.fetch_add(static_cast<int>(end - begin), std::memory_order_relaxed);
    });
    ASSERT_EQ(hits.load(), 8);
  }
}

TEST(ThreadPool, NestedCallsRunInline) {
  ThreadPool pool(3);
  std::vector<int> cells(1000, 0);
  pool.parallel_for(10, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto self = std::this_thread::get_id();
      pool.parallel_for(100, 10, [&](int64_t from, int64_t to) {
        EXPECT_EQ(self, std::this_thread::get_id());
        for (int64_t j = from; j < to; ++j) ++cells[static_cast<size_t>(i * 100 + j)];
      });
    }
  });
  for (const int cell : cells) EXPECT_EQ(cell, 1);
}

TEST(ThreadPool, CallersMayCompete) {
  ThreadPool pool(2);
  std::atomic<int64_t> total = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        pool.parallel_for(64, 4, [&](int64_t begin, int64_t end) { total += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 3 * 500 * 64);
}

}  // namespace
}  // namespace sluice::exec::cpu
