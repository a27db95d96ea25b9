// Kernel benchmarks on one thread: GFLOP/s of the shapes that models spend their time in, and their
// share of the peak of this processor (registers only, simd/peak.h). Times are the thread's
// processor time; every measurement of a kernel stands beside one of the peak, and the share is the
// median over such pairs, so that other load and a changing clock rate cancel out.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "bench/kernel_cases.h"
#include "simd/instruction_set.h"
#include "simd/peak.h"

namespace sluice::bench {
namespace {

double processor_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Operations per second of a slice of some 200 microseconds.
double peak_now(bool bytes) {
  constexpr int64_t kRounds = 120000;
  const double begin = processor_seconds();
  const double done = bytes ? simd::peak_i8(kRounds) : simd::peak_f32(kRounds);
  return done / (processor_seconds() - begin);
}

void run_case(benchmark::State& state, const KernelCase& one) {
  const std::function<bool()> run = one.prepare();
  if (!run || !run()) return state.SkipWithError("no kernel takes these operands");
  // Short kernels are repeated: the clock's own cost is some hundred nanoseconds.
  double once = processor_seconds();
  run();
  once = processor_seconds() - once;
  const int64_t repeats = std::max<int64_t>(1, static_cast<int64_t>(2e-4 / std::max(once, 1e-7)));
  std::vector<double> shares, rates;
  for (auto _ : state) {
    const double peak = one.operations > 0 ? peak_now(one.bytes) : 0;
    const double begin = processor_seconds();
    for (int64_t i = 0; i < repeats; ++i) {
      if (!run()) return state.SkipWithError("the kernel fails");
    }
    const double seconds = (processor_seconds() - begin) / static_cast<double>(repeats);
    state.SetIterationTime(seconds);
    rates.push_back((one.operations > 0 ? one.operations : one.elements) / seconds);
    if (peak > 0) shares.push_back(rates.back() / peak);
  }
  if (one.operations > 0) {
    state.counters["GFLOP/s"] = median(rates) * 1e-9;
    if (!shares.empty()) state.counters["share_of_peak"] = median(shares);
  } else {
    state.counters["Gelements/s"] = median(rates) * 1e-9;
  }
}

// `set` empty: the product of bytes.
void run_peak(benchmark::State& state, const std::string& set) {
  const bool bytes = set.empty();
  if (!bytes && !simd::select_instruction_set(set)) return state.SkipWithError("not here");
  std::vector<double> rates;
  for (auto _ : state) {
    const double rate = peak_now(bytes);
    rates.push_back(rate);
    state.SetIterationTime(1 / rate);
  }
  state.counters["GFLOP/s"] = median(rates) * 1e-9;
  if (bytes) state.SetLabel(simd::peak_i8_name());
  simd::select_instruction_set("");
}

void register_all() {
  const auto common = [](benchmark::internal::Benchmark* made) {
    made->UseManualTime()->Unit(benchmark::kMicrosecond)->Iterations(41);
  };
  for (const std::string_view set : simd::instruction_sets()) {
    const std::string name(set);
    common(benchmark::RegisterBenchmark(("peak/" + name).c_str(),
                                        [name](benchmark::State& s) { run_peak(s, name); }));
  }
  common(benchmark::RegisterBenchmark("peak/bytes", [](benchmark::State& s) { run_peak(s, {}); }));
  for (const KernelCase& one : kernel_cases()) {
    common(benchmark::RegisterBenchmark(one.name.c_str(),
                                        [one](benchmark::State& s) { run_case(s, one); }));
  }
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
