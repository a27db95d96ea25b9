// The kernels that are measured alone, on one thread, each in the sizes that models spend their
// time in: one list for the native benchmarks (kernels.cc) and the WebAssembly ones
// (kernels_wasm.cc).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace sluice::bench {

struct KernelCase {
  std::string name;
  // Operations of one run (a multiply-add is two); 0 for those that are counted in elements.
  double operations = 0;
  double elements = 0;
  // Divided by the peak of bytes instead of float32's.
  bool bytes = false;
  // Prepares operands and gives back one run, which says false when the kernel fails. Empty when
  // there is no such kernel.
  std::function<std::function<bool()>()> prepare;
};

std::vector<KernelCase> kernel_cases();

}  // namespace sluice::bench
