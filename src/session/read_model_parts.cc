#include "session/read_model_parts.h"

#include <algorithm>
#include <vector>

namespace sluice::session {

namespace {

// Below, a copy costs less than an entry of its own.
constexpr size_t kPartBytes = 4096;

struct Part {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  const ModelFile* file = nullptr;
  std::shared_ptr<const void> owner;
};

template <class Visit>
Result<void> for_each_tensor(ir::Graph& graph, const Visit& visit) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    auto& constant = graph.value(static_cast<ir::ValueId>(v)).constant;
    if (constant) SLUICE_TRY(visit(*constant));
  }
  for (ir::Node& node : graph.nodes()) {
    const auto entries = node.attrs.entries();
    for (const auto& [name, attribute] : entries) {
      if (const auto* one = std::get_if<Tensor>(&attribute)) {
        Tensor tensor = *one;
        SLUICE_TRY(visit(tensor));
        node.attrs.set(name, std::move(tensor));
      } else if (const auto* list = std::get_if<std::vector<Tensor>>(&attribute)) {
        std::vector<Tensor> tensors = *list;
        for (Tensor& tensor : tensors) SLUICE_TRY(visit(tensor));
        node.attrs.set(name, std::move(tensors));
      }
    }
    for (ir::Subgraph& inner : node.subgraphs) SLUICE_TRY(for_each_tensor(*inner.graph, visit));
  }
  return {};
}

const ModelFile* file_of(const Tensor& tensor, std::span<const ModelFile* const> files) {
  if (!tensor.defined() || tensor.dtype() == DType::kString || tensor.size_bytes() == 0)
    return nullptr;
  for (const ModelFile* file : files) {
    const auto bytes = file->file->bytes();
    const std::byte* const at = tensor.bytes().data();
    if (file->part && at >= bytes.data() && at < bytes.data() + bytes.size()) return file;
  }
  return nullptr;
}

}  // namespace

Result<void> own_parts(ir::Graph& graph, std::span<const ModelFile* const> files) {
  std::vector<Part> seen;
  SLUICE_TRY(for_each_tensor(graph, [&](Tensor& tensor) -> Result<void> {
    const ModelFile* const file = file_of(tensor, files);
    if (file == nullptr || tensor.size_bytes() < kPartBytes) return {};
    const auto bytes = tensor.bytes();
    seen.push_back({bytes.data(), bytes.data() + bytes.size(), file, nullptr});
    return {};
  }));
  // What overlaps (a file may give two tensors the same bytes) is one part.
  std::ranges::sort(seen, {}, &Part::begin);
  std::vector<Part> parts;
  for (Part& one : seen) {
    if (!parts.empty() && parts.back().file == one.file && one.begin < parts.back().end) {
      parts.back().end = std::max(parts.back().end, one.end);
    } else {
      parts.push_back(std::move(one));
    }
  }
  for (Part& part : parts) part.owner = part.file->part({part.begin, part.end});
  return for_each_tensor(graph, [&](Tensor& tensor) -> Result<void> {
    if (file_of(tensor, files) == nullptr) return {};
    if (tensor.size_bytes() < kPartBytes) {
      SLUICE_ASSIGN(tensor, tensor.clone());
      return {};
    }
    const auto after = std::ranges::upper_bound(parts, tensor.bytes().data(), {}, &Part::begin);
    tensor = Tensor::view(tensor.dtype(), tensor.shape(), tensor.bytes(), std::prev(after)->owner);
    return {};
  });
}

}  // namespace sluice::session
