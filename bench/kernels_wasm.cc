// The kernel benchmarks as exports of a WebAssembly module, which has no clock of the processor's
// time: the host (kernels.mjs) measures.
#include <memory>

#include "bench/kernel_cases.h"
#include "simd/peak.h"
#include "simd/target.h"
#include "wasm/abi.h"
#include "wasm/state.h"

namespace sluice::bench {
namespace {

std::function<bool()>& current() {
  static std::function<bool()> run;
  return run;
}

}  // namespace

// Text: {"target", "bytes", "cases": [{"name", "operations", "elements", "bytes"}]}
extern "C" SLUICE_EXPORT(sluice_bench_list) int32_t sluice_bench_list() {
  wasm::Json cases = wasm::Json::array();
  for (const KernelCase& one : kernel_cases()) {
    cases.push_back({{"name", one.name},
                     {"operations", one.operations},
                     {"elements", one.elements},
                     {"bytes", one.bytes}});
  }
  return wasm::reply({{"target", simd::target_name()},
                      {"bytes", simd::peak_i8_name()},
                      {"cases", std::move(cases)}});
}

// Prepares a case for sluice_bench_run. 1 when a kernel takes its operands.
extern "C" SLUICE_EXPORT(sluice_bench_prepare) int32_t sluice_bench_prepare(int32_t index) {
  current() = {};
  current() = kernel_cases()[static_cast<size_t>(index)].prepare();
  return wasm::done(current() && current()() ? 1 : 0);
}

// 1 when all runs went well.
extern "C" SLUICE_EXPORT(sluice_bench_run) int32_t sluice_bench_run(int32_t repeats) {
  for (int32_t i = 0; i < repeats; ++i) {
    if (!current()()) return 0;
  }
  return 1;
}

// Operations done.
extern "C" SLUICE_EXPORT(sluice_bench_peak) double sluice_bench_peak(int32_t bytes,
                                                                     int32_t rounds) {
  return bytes != 0 ? simd::peak_i8(rounds) : simd::peak_f32(rounds);
}

}  // namespace sluice::bench
