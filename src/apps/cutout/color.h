// CSS colours for --background: #rgb, #rgba, #rrggbb, #rrggbbaa, the named colours of CSS Color
// Level 4, and "transparent".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::apps::cutout {

using Rgba = std::array<uint8_t, 4>;

// Nothing when the text is no colour. Case does not matter.
std::optional<Rgba> parse_color(std::string_view text);

}  // namespace sluice::apps::cutout
