#include "plan/cut.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::plan {

namespace {
constexpr int64_t kCores = 4;
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
}  // namespace

std::vector<Dispatch> cut(Dispatch whole, int32_t first_workgroup, double most_flops,
                          uint32_t most_workgroups) {
  std::vector<Dispatch> pieces;
  const bool cuttable = first_workgroup >= 0 && whole.workgroups.is_known();
  if (!cuttable || most_flops <= 0 || whole.flops <= most_flops) {
    pieces.push_back(std::move(whole));
    return pieces;
  }
  const int64_t workgroups = whole.workgroups.value();
  const double each = whole.flops / static_cast<double>(std::max<int64_t>(workgroups, 1));
  auto most = static_cast<int64_t>(
      std::clamp(std::floor(most_flops / each), 1.0, static_cast<double>(most_workgroups)));
  // The cores of a small processor then finish together.
  const int64_t granule = most < kCores ? 1 : kCores;
  most -= most % granule;
  const int64_t count = ceil_div(workgroups, most);
  const int64_t size =
      ceil_div(ceil_div(workgroups, std::max<int64_t>(count, 1)), granule) * granule;
  for (int64_t first = 0; first < workgroups; first += size) {
    Dispatch piece = whole;
    piece.params[static_cast<size_t>(first_workgroup)] = Word::integer(Dim(first));
    piece.workgroups = Dim(std::min(size, workgroups - first));
    piece.flops = each * static_cast<double>(piece.workgroups.value());
    pieces.push_back(std::move(piece));
  }
  if (pieces.empty()) pieces.push_back(std::move(whole));
  return pieces;
}

}  // namespace sluice::plan
