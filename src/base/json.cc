#include "base/json.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sluice {

Json parse_json(std::string_view text) { return Json::parse(text, nullptr, false); }

std::string json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sluice
