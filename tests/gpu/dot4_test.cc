// Exact products of 8-bit integers four at a time, where the adapter has the language feature:
// every mix of signs, with zero points and without, at and around the borders of tiles and words.
#include <gtest/gtest.h>

#include "gpu/on_device.h"

namespace sluice::gpu_tests {
namespace {

Tensor bytes(DType dtype, const Shape& shape, uint32_t seed) {
  return dtype == DType::kInt8 ? op::case_ints(dtype, shape, -128, 127, seed)
                               : op::case_ints(dtype, shape, 0, 255, seed);
}

struct Sizes {
  int64_t m, k, n;
};

TEST(Dot4, ProductsOfBytesAreExact) {
  SLUICE_NEED_DEVICE();
  if (!held.device->features().packed_dot) GTEST_SKIP() << "not run: no packed dot products";
  uint32_t seed = 0;
  for (const Sizes& s : {Sizes{5, 3, 7}, {64, 64, 64}, {65, 66, 67}, {70, 129, 3}}) {
    for (const DType a : {DType::kInt8, DType::kUInt8}) {
      for (const DType b : {DType::kInt8, DType::kUInt8}) {
        const bool zeros = ++seed % 2 == 0;
        SCOPED_TRACE(cat(s.m, "x", s.k, "x", s.n, " ", dtype_name(a), " ", dtype_name(b)));
        Net net;
        std::vector<ir::ValueId> in = {net.input(bytes(a, Shape{s.m, s.k}, seed)),
                                       net.input(bytes(b, Shape{s.k, s.n}, seed + 99))};
        if (zeros) {
          in.push_back(net.constant(bytes(a, Shape{}, seed + 7)));
          in.push_back(net.constant(bytes(b, Shape{s.n}, seed + 8)));
        }
        net.output(net.one("MatMulInteger", in));
        ASSERT_TRUE(net.infer().ok());
        const auto planned = session::plan_for_gpu(*net.graph, software(), held.device->features());
        ASSERT_TRUE(planned.ok()) << planned.error().text();
        ASSERT_EQ(planned->plan->pipelines.size(), 1u);
        EXPECT_EQ(planned->plan->pipelines[0].shader, "matmul_dot4");
        expect_like_reference(std::move(net), 0, 0);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::gpu_tests
