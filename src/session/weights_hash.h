// WeightsHash: what was computed with, whatever backend did it: the SHA-256 of all constants of a
// graph as imported, before any pass, in order, then those of subgraphs in the order of their
// nodes: name, dtype and shape as "name\0float32[2,3]\0", then the elements (texts by length). In
// pieces, where a single pass would be felt.
#pragma once

#include <string>
#include <vector>

#include "base/hash.h"
#include "ir/graph.h"

namespace sluice::session {

class WeightsHash {
 public:
  // Shares the graph's constants until it is done.
  explicit WeightsHash(const ir::Graph& graph);
  // Takes about this many bytes more; true once all are taken.
  bool advance(size_t bytes);
  // Of elements, that are not taken yet; strings count little.
  size_t bytes_left() const;
  // Empty before.
  const std::string& hex() const { return hex_; }

 private:
  void add(const ir::Graph& graph);
  struct Entry {
    std::string name;
    Tensor tensor;
  };
  std::vector<Entry> entries_;
  size_t next_ = 0;     // entry
  size_t done_ = 0;     // bytes of it
  bool named_ = false;  // its name was taken
  Sha256 hash_;
  std::string hex_;
};

// In one piece.
std::string weights_sha256(const ir::Graph& graph);

}  // namespace sluice::session
