#include "session/weights_hash.h"

#include <algorithm>

namespace sluice::session {

namespace {
std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}
}  // namespace

WeightsHash::WeightsHash(const ir::Graph& graph) { add(graph); }

void WeightsHash::add(const ir::Graph& graph) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const ir::ValueInfo& value = graph.value(static_cast<ir::ValueId>(v));
    if (value.constant) entries_.push_back({value.name, *value.constant});
  }
  for (const ir::Node& node : graph.nodes()) {
    for (const ir::Subgraph& inner : node.subgraphs) add(*inner.graph);
  }
}

size_t WeightsHash::bytes_left() const {
  size_t left = 0;
  for (size_t i = next_; i < entries_.size(); ++i) left += entries_[i].tensor.size_bytes();
  return left - done_;
}

bool WeightsHash::advance(size_t bytes) {
  while (next_ < entries_.size()) {
    Entry& entry = entries_[next_];
    const Tensor& tensor = entry.tensor;
    if (!named_) {
      hash_.update(bytes_of(entry.name));
      hash_.update(bytes_of(std::string_view("\0", 1)));
      hash_.update(bytes_of(tensor.text()));
      hash_.update(bytes_of(std::string_view("\0", 1)));
      named_ = true;
    }
    if (tensor.dtype() == DType::kString) {
      for (const std::string& text : tensor.span<std::string>()) {
        hash_.update(bytes_of(std::to_string(text.size()) + ":"));
        hash_.update(bytes_of(text));
      }
    } else {
      if (bytes == 0) return false;
      const size_t piece = std::min(bytes, tensor.size_bytes() - done_);
      if (piece > 0) hash_.update(tensor.bytes().subspan(done_, piece));
      done_ += piece;
      bytes -= piece;
      if (done_ < tensor.size_bytes()) return false;
    }
    entry.tensor = Tensor();  // perhaps nobody else needs it any more
    done_ = 0;
    named_ = false;
    entries_[next_].tensor = Tensor();  // somebody else may have packed it meanwhile
    ++next_;
  }
  if (hex_.empty()) {
    hex_ = sluice::hex(hash_.finish());
    entries_.clear();
    next_ = 0;
  }
  return true;
}

std::string weights_sha256(const ir::Graph& graph) {
  WeightsHash hash(graph);
  hash.advance(SIZE_MAX);
  return hash.hex();
}

}  // namespace sluice::session
