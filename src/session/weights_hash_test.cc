#include "session/weights_hash.h"

#include <gtest/gtest.h>

#include "op/op.h"
#include "ops/registry.h"
#include "session/session.h"

namespace sluice::session {
namespace {

ir::Graph weighted(float last) {
  ir::Graph graph;
  const ir::ValueId x = graph.add_input("x", Type::tensor(DType::kFloat32, Dims{Dim(3)}));
  const ir::ValueId w = graph.add_constant("w", Tensor::of<float>(Shape{3}, {1, 2, last}));
  const ir::ValueId v = graph.add_constant("v", Tensor::of<float>(Shape{}, {0.5f}));
  const ir::ValueId sum = graph.node(graph.add_node("Add", {x, w})).outputs[0];
  graph.outputs() = {graph.node(graph.add_node("Mul", {sum, v})).outputs[0]};
  EXPECT_TRUE(op::infer_graph(ops::registry(), graph).ok());
  return graph;
}

TEST(WeightsHash, PiecesGiveTheHashOfTheWhole) {
  const ir::Graph graph = weighted(3);
  const std::string whole = weights_sha256(graph);
  EXPECT_EQ(whole.size(), 64u);
  for (const size_t piece : {1u, 3u, 5u, 12u, 16u, 100u}) {
    WeightsHash hash(graph);
    int pieces = 1;
    for (; !hash.advance(piece); ++pieces) EXPECT_TRUE(hash.hex().empty());
    EXPECT_EQ(hash.hex(), whole) << piece;
    EXPECT_LE(pieces, 17);
    EXPECT_TRUE(hash.advance(1));
    EXPECT_EQ(hash.hex(), whole);
  }
}

TEST(WeightsHash, AnyElementCounts) {
  EXPECT_NE(weights_sha256(weighted(3)), weights_sha256(weighted(4)));
  EXPECT_EQ(weights_sha256(weighted(3)), weights_sha256(weighted(3)));
  ir::Graph renamed = weighted(3);
  renamed.value(renamed.nodes()[0].inputs[1]).name = "u";
  EXPECT_NE(weights_sha256(renamed), weights_sha256(weighted(3)));
}

}  // namespace
}  // namespace sluice::session
