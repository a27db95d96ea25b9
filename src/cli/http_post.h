// HTTP POST of a JSON body, for telemetry. The only place that knows an HTTP library.
#pragma once

#include <string>

#include "base/result.h"
#include "session/telemetry.h"

namespace sluice::cli {

// Error (resource): the address is malformed, nobody answers within the time, or the answer is not
// a success. Tries again, once, where the OTLP specification calls an answer retryable and time is
// left.
Result<void> http_post(const std::string& url, const session::Pairs& headers,
                       const std::string& body, double timeout_seconds);

}  // namespace sluice::cli
