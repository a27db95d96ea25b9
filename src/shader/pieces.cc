#include "shader/pieces.h"

#include <algorithm>
#include <numeric>

namespace sluice::shader {

std::vector<Piece> pieces_of(int64_t count, std::initializer_list<uint64_t> run_bytes,
                             const plan::Limits& limits) {
  const auto alignment = uint64_t{limits.min_storage_offset_alignment};
  uint64_t most = static_cast<uint64_t>(count), granule = 1;
  for (const uint64_t bytes : run_bytes) {
    if (bytes == 0) continue;
    most = std::min(most, limits.max_storage_binding_bytes / bytes);
    granule = std::lcm(granule, alignment / std::gcd(alignment, bytes));
  }
  if (most >= static_cast<uint64_t>(count)) return {{0, count}};
  const auto size = static_cast<int64_t>(most / granule * granule);
  if (size == 0) return {};
  std::vector<Piece> pieces;
  for (int64_t first = 0; first < count; first += size) {
    pieces.push_back({first, std::min(size, count - first)});
  }
  return pieces;
}

}  // namespace sluice::shader
