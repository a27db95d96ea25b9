// The texts of models/*.json, put into the program by the build.
#pragma once

#include <span>
#include <string_view>

namespace sluice::apps::cutout {
std::span<const std::string_view> catalogue_texts();
}  // namespace sluice::apps::cutout
