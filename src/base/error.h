// Error: what went wrong, as one sentence a user can act on.
// Messages are present tense, name the file, node or tensor, and give the value found and then the
// limit in parentheses. Context is added on the way up with `Error::while_doing`.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace sluice {

enum class ErrorCode {
  kInvalidModel,  // the file (model, image, tensor) is damaged or breaks its format's rules
  kUnsupported,   // well-formed, but asks for something Sluice does not do
  kUsage,         // the caller asked for something that does not exist or does not fit
  kResource,      // memory, disk or a limit is exhausted
  kDevice,        // no usable device, or it failed
  kInternal,      // our own bug
};

std::string_view error_code_name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string hint;  // optional: what the user could do about it

  // Appends "- while importing node "x" (Softmax)".
  Error while_doing(std::string_view what) && {
    message += " - while ";
    message += what;
    return std::move(*this);
  }
  // One line for stderr: message, then the hint if there is one.
  std::string text() const;
};

inline Error invalid_model(std::string message) {
  return {ErrorCode::kInvalidModel, std::move(message), {}};
}
inline Error unsupported(std::string message) {
  return {ErrorCode::kUnsupported, std::move(message), {}};
}
inline Error usage_error(std::string message) {
  return {ErrorCode::kUsage, std::move(message), {}};
}
inline Error resource_error(std::string message) {
  return {ErrorCode::kResource, std::move(message), {}};
}
inline Error internal_error(std::string message) {
  return {ErrorCode::kInternal, std::move(message), {}};
}

}  // namespace sluice
