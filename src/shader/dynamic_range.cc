#include "shader/dynamic_range.h"

#include <algorithm>

#include "shader/dynamic_scale.h"
#include "shader/pieces.h"
#include "shader/range_partial.h"

namespace sluice::shader {

namespace {

constexpr int64_t kMostGroups = 256;  // one workgroup joins their bounds
constexpr int64_t kElemBytes = 4;
constexpr int64_t kBoundsBytes = 2 * kElemBytes;  // of a group

// At least one, so that scale and zero get written.
Dim groups_of(const Dim& n) { return Dim::max(Dim::min(Dim::ceil_div(n, 4096), kMostGroups), 1); }

// One piece where the number of elements is not known yet: its size is judged when it is.
std::vector<Piece> pieces_of_x(const Dim& n, const plan::Limits& limits) {
  if (!n.is_known()) return {Piece{}};
  return pieces_of(n.value(), {kElemBytes}, limits);
}

// Workgroups of each of several pieces: as many as have their bounds start where bindings may.
int64_t groups_of_piece(const plan::Limits& limits) {
  return std::max<int64_t>(limits.min_storage_offset_alignment / kBoundsBytes, 1);
}

}  // namespace

Dim dynamic_range_elems(const Dim& n, const plan::Limits& limits) {
  const auto pieces = static_cast<int64_t>(pieces_of_x(n, limits).size());
  return pieces <= 1 ? groups_of(n) * Dim(2) : Dim(pieces * groups_of_piece(limits) * 2);
}

std::vector<plan::DispatchRequest> dynamic_range(const Dim& n, const plan::Limits& limits,
                                                 plan::SlotId x, plan::SlotId parts,
                                                 plan::SlotId scale, plan::SlotId zero) {
  const std::vector<Piece> pieces = pieces_of_x(n, limits);
  std::vector<plan::DispatchRequest> requests;
  Dim groups = groups_of(n);
  if (pieces.size() == 1) {
    requests.push_back(range_partial::Call{
        .params = {.n = n, .groups = groups}, .x = x, .parts = parts, .workgroups = groups}
                           .request());
  } else {
    const int64_t each = groups_of_piece(limits);
    groups = Dim(static_cast<int64_t>(pieces.size()) * each);
    if (pieces.empty() || groups.value() > kMostGroups) return {};
    for (size_t i = 0; i < pieces.size(); ++i) {
      requests.push_back(range_partial::Call{
          .params = {.n = pieces[i].count, .groups = each},
          .x = {x, pieces[i].first * kElemBytes, pieces[i].count * kElemBytes},
          .parts = {parts, static_cast<int64_t>(i) * each * kBoundsBytes, each * kBoundsBytes},
          .workgroups = each}
                             .request());
    }
  }
  requests.push_back(dynamic_scale::Call{
      .params = {.groups = groups}, .parts = parts, .scale = scale, .zero = zero, .workgroups = 1}
                         .request());
  return requests;
}

}  // namespace sluice::shader
