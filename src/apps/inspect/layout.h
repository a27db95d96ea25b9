// A layered drawing of a directed acyclic graph (Sugiyama, Tagawa and Toda, 1981): nodes in layers
// by their longest path from the inputs, edges over several layers led through dummy places,
// crossings reduced by barycentres, and places pulled towards their neighbours.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::apps::inspect {

struct Drawing {
  struct Place {
    float x = 0, y = 0;  // centre of the node
  };
  std::vector<Place> nodes;
  struct Edge {
    int from = 0, to = 0;
    std::vector<Place> through;  // places between the two, top to bottom
  };
  std::vector<Edge> edges;
  float width = 0, height = 0;
};

// `widths` of the nodes; edges must lead from a lower to a higher number. Nodes are 28 high.
inline constexpr float kNodeHeight = 28, kLayerGap = 26, kNodeGap = 16;
Drawing lay_out(const std::vector<float>& widths, const std::vector<std::pair<int, int>>& edges);

}  // namespace sluice::apps::inspect
