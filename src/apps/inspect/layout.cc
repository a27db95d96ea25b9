#include "apps/inspect/layout.h"

#include <algorithm>
#include <cmath>

namespace sluice::apps::inspect {

namespace {

// A place in a layer: a node, or a point that an edge passes through.
struct Spot {
  int layer = 0;
  float width = 8, x = 0;
  std::vector<int> up, down;
};

// Above this many points long edges are drawn straight: the drawing of such a graph is a map to
// find places in, not a picture.
constexpr size_t kMaxPoints = 60'000;

}  // namespace

Drawing lay_out(const std::vector<float>& widths, const std::vector<std::pair<int, int>>& edges) {
  Drawing out;
  const size_t count = widths.size();
  out.nodes.resize(count);
  if (count == 0) return out;
  std::vector<Spot> spots(count);
  for (size_t i = 0; i < count; ++i) spots[i].width = widths[i];
  std::vector<std::pair<int, int>> sorted = edges;
  // In order of their target, so that the source of each has its final layer.
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second < b.second : a.first < b.first;
  });
  size_t points = 0;
  for (const auto& [from, to] : sorted) {
    Spot& target = spots[static_cast<size_t>(to)];
    target.layer = std::max(target.layer, spots[static_cast<size_t>(from)].layer + 1);
  }
  for (const auto& [from, to] : sorted) {
    points += static_cast<size_t>(spots[static_cast<size_t>(to)].layer -
                                  spots[static_cast<size_t>(from)].layer - 1);
  }
  const bool dummies = points <= kMaxPoints;
  std::vector<std::vector<int>> chains(sorted.size());
  for (size_t e = 0; e < sorted.size(); ++e) {
    const auto [from, to] = sorted[e];
    int last = from;
    const int first_layer = spots[static_cast<size_t>(from)].layer + 1;
    const int end_layer = spots[static_cast<size_t>(to)].layer;
    for (int layer = first_layer; dummies && layer < end_layer; ++layer) {
      const int id = static_cast<int>(spots.size());
      Spot spot;
      spot.layer = layer;
      spots.push_back(spot);
      spots[static_cast<size_t>(id)].up.push_back(last);
      spots[static_cast<size_t>(last)].down.push_back(id);
      chains[e].push_back(id);
      last = id;
    }
    spots[static_cast<size_t>(to)].up.push_back(last);
    spots[static_cast<size_t>(last)].down.push_back(to);
  }
  int layers = 0;
  for (const Spot& spot : spots) layers = std::max(layers, spot.layer + 1);
  std::vector<std::vector<int>> rows(static_cast<size_t>(layers));
  for (size_t i = 0; i < spots.size(); ++i)
    rows[static_cast<size_t>(spots[i].layer)].push_back(static_cast<int>(i));

  const auto place_row = [&](const std::vector<int>& row) {
    float x = 0;
    for (const int id : row) {
      Spot& spot = spots[static_cast<size_t>(id)];
      spot.x = x + spot.width / 2;
      x += spot.width + kNodeGap;
    }
  };
  for (const auto& row : rows) place_row(row);
  const auto mean_of = [&](const std::vector<int>& neighbours, float fallback) {
    if (neighbours.empty()) return fallback;
    float sum = 0;
    for (const int id : neighbours) sum += spots[static_cast<size_t>(id)].x;
    return sum / static_cast<float>(neighbours.size());
  };
  // Order within the layers, downwards and upwards in turn.
  std::vector<std::pair<float, int>> keyed;
  for (int sweep = 0; sweep < 6; ++sweep) {
    const bool downwards = sweep % 2 == 0;
    for (int step = 0; step < layers; ++step) {
      auto& row = rows[static_cast<size_t>(downwards ? step : layers - 1 - step)];
      keyed.clear();
      for (const int id : row) {
        const Spot& spot = spots[static_cast<size_t>(id)];
        keyed.emplace_back(mean_of(downwards ? spot.up : spot.down, spot.x), id);
      }
      std::stable_sort(keyed.begin(), keyed.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      for (size_t i = 0; i < row.size(); ++i) row[i] = keyed[i].second;
      place_row(row);
    }
  }
  // Positions: each row moves towards its neighbours' means, kept in order and apart. Spots that
  // would overlap form a block that takes the mean of what its members want.
  struct Block {
    float wanted = 0, width = 0;  // wanted: sum over members of (goal - offset in the block)
    int members = 0;
    float start() const { return wanted / static_cast<float>(members); }
  };
  std::vector<Block> blocks;
  const auto pull = [&](const std::vector<int>& row, bool downwards, bool both) {
    blocks.clear();
    for (const int id : row) {
      const Spot& spot = spots[static_cast<size_t>(id)];
      float goal = mean_of(downwards ? spot.up : spot.down, spot.x);
      if (both && !spot.up.empty() && !spot.down.empty())
        goal = (mean_of(spot.up, goal) + mean_of(spot.down, goal)) / 2;
      blocks.push_back({goal - spot.width / 2, spot.width + kNodeGap, 1});
      while (blocks.size() > 1) {
        Block& before = blocks[blocks.size() - 2];
        const Block& after = blocks.back();
        if (before.start() + before.width <= after.start()) break;
        before.wanted += after.wanted - before.width * static_cast<float>(after.members);
        before.width += after.width;
        before.members += after.members;
        blocks.pop_back();
      }
    }
    size_t at = 0;
    for (const Block& block : blocks) {
      float x = block.start();
      for (int i = 0; i < block.members; ++i) {
        Spot& spot = spots[static_cast<size_t>(row[at++])];
        spot.x = x + spot.width / 2;
        x += spot.width + kNodeGap;
      }
    }
  };
  for (int round = 0; round < 8; ++round) {
    for (int step = 0; step < layers; ++step)
      pull(rows[static_cast<size_t>(step)], true, round > 1);
    for (int step = layers - 1; step >= 0; --step)
      pull(rows[static_cast<size_t>(step)], false, round > 1);
  }

  float left = spots[0].x, right = spots[0].x;
  for (const Spot& spot : spots) {
    left = std::min(left, spot.x - spot.width / 2);
    right = std::max(right, spot.x + spot.width / 2);
  }
  const auto place = [&](int id) {
    const Spot& spot = spots[static_cast<size_t>(id)];
    return Drawing::Place{
        spot.x - left + kNodeGap,
        kLayerGap + static_cast<float>(spot.layer) * (kNodeHeight + kLayerGap) + kNodeHeight / 2};
  };
  for (size_t i = 0; i < count; ++i) out.nodes[i] = place(static_cast<int>(i));
  for (size_t e = 0; e < sorted.size(); ++e) {
    Drawing::Edge edge{sorted[e].first, sorted[e].second, {}};
    for (const int id : chains[e]) edge.through.push_back(place(id));
    out.edges.push_back(std::move(edge));
  }
  out.width = right - left + 2 * kNodeGap;
  out.height = static_cast<float>(layers) * (kNodeHeight + kLayerGap) + kLayerGap;
  return out;
}

}  // namespace sluice::apps::inspect
