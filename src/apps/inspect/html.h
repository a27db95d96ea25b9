// A report as one HTML page that needs nothing else: the graph drawn as SVG (pan, zoom, search,
// click for details) beside the text of the report. All text of the model is escaped or set as
// text content; the page's own policy forbids every request.
#pragma once

#include <string>

#include "apps/inspect/report.h"

namespace sluice::apps::inspect {

std::string to_html(const Report& report);

// For tests: text safe within HTML elements and quoted attributes.
std::string html_escaped(std::string_view text);

}  // namespace sluice::apps::inspect
