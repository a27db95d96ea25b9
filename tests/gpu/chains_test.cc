// Chains of gathers and scatters, as exporters write deformable convolutions: entirely on the
// device within the guaranteed limits.
#include <gtest/gtest.h>

#include "base/text.h"
#include "gpu/on_device.h"

namespace sluice {
namespace {

using namespace gpu_tests;
using op::case_floats;
using op::case_ints;

// Bilinear sampling as exporters without GridSample write it (deformable convolutions of BiRefNet):
// four gathers of corners, weighted and added.
Net gathered_corners(int64_t channels, int64_t side) {
  Net net;
  const ir::ValueId image = net.input(case_floats(Shape{1, side, side, channels}));
  std::vector<ir::ValueId> terms;
  for (int corner = 0; corner < 4; ++corner) {
    const Tensor rows = case_ints(DType::kInt64, Shape{1, side, side, 1}, 0, side - 1, corner);
    const Tensor columns =
        case_ints(DType::kInt64, Shape{1, side, side, 1}, 0, side - 1, 10 + corner);
    const ir::ValueId batch = net.constant(case_ints(DType::kInt64, Shape{1, side, side, 1}, 0, 0));
    const ir::ValueId index =
        net.one("Concat", {batch, net.input(rows), net.input(columns)}, {{"axis", int64_t{-1}}});
    const ir::ValueId weight = net.input(case_floats(Shape{1, side, side, 1}, 20 + corner));
    terms.push_back(net.one("Mul", {net.one("GatherND", {image, index}), weight}));
  }
  const ir::ValueId sum =
      net.one("Add", {net.one("Add", {terms[0], terms[1]}), net.one("Add", {terms[2], terms[3]})});
  net.output(net.one("Transpose", {sum}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}}));
  return net;
}

TEST(GpuChains, ChainsOfGathers) {
  SLUICE_NEED_DEVICE();
  Largest largest("chains of GatherND");
  for (const auto& [channels, side] : {std::pair{1, 5}, {3, 17}, {8, 16}, {32, 33}}) {
    SCOPED_TRACE(cat(channels, " channels, side ", side));
    largest.add(expect_like_reference(gathered_corners(channels, side)));
  }
}

TEST(GpuChains, ChainsOfScatters) {
  SLUICE_NEED_DEVICE();
  Largest largest("chains of ScatterND");
  for (const std::string reduction : {"none", "add", "max"}) {
    SCOPED_TRACE(reduction);
    Net net;
    ir::ValueId at = net.input(case_floats(Shape{9, 11, 5}));
    for (int i = 0; i < 4; ++i) {
      // Few cells and many updates: the order of those that meet decides for "none".
      const ir::ValueId index = net.input(case_ints(DType::kInt64, Shape{40, 2}, 0, 8, i));
      const ir::ValueId updates = net.input(case_floats(Shape{40, 5}, 30 + i));
      at = net.one("ScatterND", {at, index, updates}, {{"reduction", reduction}});
      at = net.one("Mul", {at, net.one("GatherND",
                                       {at, net.constant(case_ints(DType::kInt64, Shape{9, 11, 2},
                                                                   0, 8, 50 + i))})});
      at = net.one("Add", {at, net.input(case_floats(Shape{1, 5}, 60 + i))});
    }
    net.output(at);
    largest.add(expect_like_reference(std::move(net), 1e-5, 1e-5));
  }
}

}  // namespace
}  // namespace sluice
