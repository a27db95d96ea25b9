// A report as text for a terminal, and as JSON for programs. JSON keys and their order are stable;
// numbers are plain, bytes are bytes.
#pragma once

#include <string>

#include "apps/inspect/report.h"

namespace sluice::apps::inspect {

struct TextOptions {
  bool all_weights = false;  // otherwise the largest dozen
};
std::string to_text(const Report& report, const TextOptions& options = {});
std::string to_json(const Report& report);

}  // namespace sluice::apps::inspect
