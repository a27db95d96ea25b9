// AttrMap: a node's attributes by name. Subgraph attributes are not here: graphs and plans hold
// those themselves.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tensor/tensor.h"
#include "tensor/type.h"

namespace sluice {

using Attribute =
    std::variant<int64_t, float, std::string, Tensor, std::vector<int64_t>, std::vector<float>,
                 std::vector<std::string>, std::vector<Tensor>, Type>;

class AttrMap {
 public:
  AttrMap() = default;
  AttrMap(std::initializer_list<std::pair<std::string, Attribute>> entries) {
    for (const auto& [name, value] : entries) set(name, value);
  }

  void set(std::string_view name, Attribute value);
  void reserve(size_t count) { entries_.reserve(count); }
  bool erase(std::string_view name);
  const Attribute* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }

  // The attribute, or the fallback when it is absent or of another kind. (A kind that does not fit
  // is refused when the graph is built, by the operator's inference through `require_kinds`.)
  int64_t int_or(std::string_view name, int64_t fallback) const;
  float float_or(std::string_view name, float fallback) const;
  std::string string_or(std::string_view name, std::string_view fallback) const;
  std::vector<int64_t> ints_or(std::string_view name, std::vector<int64_t> fallback = {}) const;
  std::vector<float> floats_or(std::string_view name, std::vector<float> fallback = {}) const;
  std::vector<std::string> strings_or(std::string_view name,
                                      std::vector<std::string> fallback = {}) const;
  const Tensor* tensor(std::string_view name) const;
  const Type* type(std::string_view name) const;

  const std::vector<std::pair<std::string, Attribute>>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<std::pair<std::string, Attribute>> entries_;  // sorted by name
};

}  // namespace sluice
