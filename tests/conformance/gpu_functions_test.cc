// The elementary functions of the GPU over the whole range of float32, against double: small and
// huge arguments, the neighbourhood of their zeros, infinities and NaN.
#include <gtest/gtest.h>

#include <limits>

#include "gpu/on_device.h"

namespace sluice {
namespace {

// Arguments in [low, high]: evenly spread, and every power of ten with some digits, of both signs.
Tensor arguments(double low, double high) {
  std::vector<float> values;
  for (int i = 0; i <= 600; ++i) {
    const double v = std::max(low, -30.0) + (std::min(high, 30.0) - std::max(low, -30.0)) * i / 600;
    values.push_back(static_cast<float>(v));
  }
  for (int power = -30; power <= 37; ++power) {
    for (const double digits : {1.0, 1.7320508, 3.1415927, 6.2831853, 9.9999}) {
      for (const double sign : {1.0, -1.0}) {
        const double v = sign * digits * std::pow(10.0, power);
        if (v >= low && v <= high) values.push_back(static_cast<float>(v));
      }
    }
  }
  for (const double near : {1.0, -1.0}) {
    for (const double step : {1e-6, -1e-6, 1e-3, -1e-3}) {
      if (near + step >= low && near + step <= high) {
        values.push_back(static_cast<float>(near + step));
      }
    }
  }
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float v :
       {0.0F, -0.0F, infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
    values.push_back(v);
  }
  return Tensor::of<float>(Shape{static_cast<int64_t>(values.size())}, values);
}

TEST(GpuFunctions, AreAccurateEverywhere) {
  SLUICE_NEED_DEVICE();
  const double all = 3.4e38;
  struct Function {
    const char* op;
    double low, high, atol, rtol;
  };
  // rtol of a few units in the last place (6e-8); functions with zeros away from 0 get an atol.
  // Results below float32's normal range may be flushed to 0.
  const Function functions[] = {{"Exp", -all, all, 1.2e-38, 5e-7},
                                {"Log", 0, all, 1.2e-38, 5e-7},
                                {"Sin", -all, all, 1.5e-7, 5e-7},
                                {"Cos", -all, all, 1.5e-7, 5e-7},
                                {"Tan", -20, 20, 1.5e-7, 2e-6},
                                {"Asin", -1.1, 1.1, 1.2e-38, 5e-7},
                                {"Acos", -1.1, 1.1, 1.2e-38, 5e-7},
                                {"Atan", -all, all, 1.2e-38, 5e-7},
                                {"Sinh", -all, all, 1.2e-38, 1e-6},
                                {"Cosh", -all, all, 1.2e-38, 1e-6},
                                {"Tanh", -all, all, 1.2e-38, 5e-7},
                                {"Asinh", -all, all, 1.2e-38, 1e-6},
                                {"Acosh", 0.5, all, 1.2e-38, 1e-6},
                                {"Atanh", -1.1, 1.1, 1.2e-38, 1e-6},
                                {"Erf", -all, all, 1.2e-38, 5e-7},
                                {"Sigmoid", -all, all, 1.2e-38, 5e-7},
                                {"Softplus", -all, all, 1.2e-38, 5e-7},
                                {"Gelu", -12, 30, 1e-12, 2e-5},
                                {"Mish", -80, 80, 1.2e-38, 2e-6},
                                {"Elu", -all, all, 1.2e-38, 5e-7},
                                {"Selu", -all, 1e37, 1.2e-38, 5e-7},
                                {"Sqrt", -1, all, 1.2e-38, 5e-7},
                                {"Reciprocal", -all, all, 1.2e-38, 5e-7},
                                {"Sign", -all, all, 0, 0},
                                {"Round", -all, all, 0, 0},
                                {"Floor", -all, all, 0, 0}};
  for (const Function& f : functions) {
    SCOPED_TRACE(f.op);
    op::Case c{.name = f.op, .op = f.op, .inputs = {arguments(f.low, f.high)}};
    const gpu_tests::Beside made = gpu_tests::beside_reference(gpu_tests::net_of(c));
    ASSERT_EQ(made.got.size(), 1u);
    const Tensor& x = c.inputs[0].tensor();
    const Tensor& a = made.got[0].tensor();
    const Tensor& b = made.want[0].tensor();
    int wrong = 0;
    for (int64_t i = 0; i < x.elements(); ++i) {
      const double u = a.get_double(i), v = b.get_double(i);
      if ((std::isnan(u) && std::isnan(v)) || u == v) continue;
      if (std::isfinite(v) && std::fabs(u - v) <= f.atol + f.rtol * std::fabs(v)) continue;
      if (++wrong <= 5) ADD_FAILURE() << "at " << x.get_double(i) << ": " << u << " against " << v;
    }
    EXPECT_EQ(wrong, 0);
  }
}

}  // namespace
}  // namespace sluice
