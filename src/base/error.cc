#include "base/error.h"

#include <utility>

#include "base/result.h"

namespace sluice {

Error::Error() = default;
Error::Error(ErrorCode what, std::string sentence, std::string advice)
    : code(what), message(std::move(sentence)), hint(std::move(advice)) {}
Error::Error(const Error& other) = default;
Error::Error(Error&& other) noexcept = default;
Error& Error::operator=(const Error& other) = default;
Error& Error::operator=(Error&& other) noexcept = default;
Error::~Error() = default;

Error Error::while_doing(std::string_view what) && {
  message += " - while ";
  message += what;
  return std::move(*this);
}

Error invalid_model(std::string message) { return {ErrorCode::kInvalidModel, std::move(message)}; }
Error unsupported(std::string message) { return {ErrorCode::kUnsupported, std::move(message)}; }
Error usage_error(std::string message) { return {ErrorCode::kUsage, std::move(message)}; }
Error resource_error(std::string message) { return {ErrorCode::kResource, std::move(message)}; }
Error internal_error(std::string message) { return {ErrorCode::kInternal, std::move(message)}; }

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidModel:
      return "invalid_model";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kResource:
      return "resource";
    case ErrorCode::kDevice:
      return "device";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

Failure::Failure(Error&& error) : error_(new Error(std::move(error))) {}
void Failure::destroy() { delete error_; }

std::string Error::text() const {
  std::string line = message;
  if (!hint.empty()) line += " (hint: " + hint + ")";
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

}  // namespace sluice
