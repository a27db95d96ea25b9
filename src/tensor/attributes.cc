#include "tensor/attributes.h"

#include <algorithm>

namespace sluice {

namespace {
template <class T>
const T* find_as(const AttrMap& attrs, std::string_view name) {
  const Attribute* found = attrs.find(name);
  return found == nullptr ? nullptr : std::get_if<T>(found);
}
template <class T>
T get_or(const AttrMap& attrs, std::string_view name, T fallback) {
  const T* found = find_as<T>(attrs, name);
  return found == nullptr ? std::move(fallback) : *found;
}
}  // namespace

void AttrMap::set(std::string_view name, Attribute value) {
  const auto at = std::ranges::lower_bound(entries_, name, {},
                                           [](const auto& e) { return std::string_view(e.first); });
  if (at != entries_.end() && at->first == name) {
    at->second = std::move(value);
  } else {
    entries_.emplace(at, std::string(name), std::move(value));
  }
}

bool AttrMap::erase(std::string_view name) {
  return std::erase_if(entries_, [&](const auto& e) { return e.first == name; }) != 0;
}

const Attribute* AttrMap::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(entries_, name, {},
                                           [](const auto& e) { return std::string_view(e.first); });
  return at != entries_.end() && at->first == name ? &at->second : nullptr;
}

int64_t AttrMap::int_or(std::string_view name, int64_t fallback) const {
  return get_or<int64_t>(*this, name, fallback);
}
float AttrMap::float_or(std::string_view name, float fallback) const {
  return get_or<float>(*this, name, fallback);
}
std::string AttrMap::string_or(std::string_view name, std::string_view fallback) const {
  return get_or<std::string>(*this, name, std::string(fallback));
}
std::vector<int64_t> AttrMap::ints_or(std::string_view name, std::vector<int64_t> fallback) const {
  return get_or<std::vector<int64_t>>(*this, name, std::move(fallback));
}
std::vector<float> AttrMap::floats_or(std::string_view name, std::vector<float> fallback) const {
  return get_or<std::vector<float>>(*this, name, std::move(fallback));
}
std::vector<std::string> AttrMap::strings_or(std::string_view name,
                                             std::vector<std::string> fallback) const {
  return get_or<std::vector<std::string>>(*this, name, std::move(fallback));
}
const Tensor* AttrMap::tensor(std::string_view name) const { return find_as<Tensor>(*this, name); }
const Type* AttrMap::type(std::string_view name) const { return find_as<Type>(*this, name); }

}  // namespace sluice
