// JSON values, as nlohmann's library has them, with members in the order in which they are set.
// What the library would compile for each source that includes it is compiled once.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sluice {

using Json = nlohmann::ordered_json;

// Discarded (is_discarded()) where `text` is not JSON.
Json parse_json(std::string_view text);

// In one line, or with so many spaces a level. Bytes that are not UTF-8 become U+FFFD.
std::string json_text(const Json& json, int indent = -1);

}  // namespace sluice
