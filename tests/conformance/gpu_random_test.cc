// Random numbers with a seed come out the same on WebGPU as on the CPU.
#include <gtest/gtest.h>

#include "gpu/on_device.h"

namespace sluice {
namespace {

TEST(GpuRandom, DrawsAreThoseOfTheCpu) {
  SLUICE_NEED_DEVICE();
  using Ints = std::vector<int64_t>;
  const Shape many{4, 1025};
  std::vector<op::Case> cases;
  for (const float seed : {0.0F, 2.0F, -7.5F}) {
    cases.push_back({.name = "uniform",
                     .op = "RandomUniform",
                     .attrs = {{"shape", Ints{4, 1025}}, {"low", -3.0F}, {"high", 7.0F}}});
    cases.push_back({.name = "normal",
                     .op = "RandomNormal",
                     .attrs = {{"shape", Ints{4, 1025}}, {"mean", 0.5F}, {"scale", 2.0F}}});
    cases.push_back({.name = "bernoulli",
                     .op = "Bernoulli",
                     .attrs = {{"dtype", int64_t{6}}},
                     .inputs = {op::case_floats(many)}});
    for (size_t i = cases.size() - 3; i < cases.size(); ++i) cases[i].attrs.set("seed", seed);
  }
  for (const op::Case& c : cases) {
    SCOPED_TRACE(c.name);
    gpu_tests::expect_like_reference(gpu_tests::net_of(c), 5e-6, 2e-6);
  }
}

}  // namespace
}  // namespace sluice
