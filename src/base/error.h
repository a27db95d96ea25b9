// Error: what went wrong, as one sentence a user can act on.
// Messages are present tense, name the file, node or tensor, and give the value found and then the
// limit in parentheses. Context is added on the way up with `Error::while_doing`.
#pragma once

#include <string>
#include <string_view>

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

// What makes, moves and ends one is not inline: it would stand at every place that can fail.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string hint;  // optional: what the user could do about it

  Error();
  Error(ErrorCode code, std::string message, std::string hint = {});
  Error(const Error& other);
  Error(Error&& other) noexcept;
  Error& operator=(const Error& other);
  Error& operator=(Error&& other) noexcept;
  ~Error();

  // Appends "- while importing node "x" (Softmax)".
  Error while_doing(std::string_view what) &&;
  // One line for stderr: message, then the hint if there is one.
  std::string text() const;
};

Error invalid_model(std::string message);
Error unsupported(std::string message);
Error usage_error(std::string message);
Error resource_error(std::string message);
Error internal_error(std::string message);

}  // namespace sluice
