// Request: how the generated headers (shader/<name>.h) put a DispatchRequest together, member by
// member. Out of line, since every shader has its own sequence of these calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "plan/dispatch.h"

namespace sluice::shader {

class Request {
 public:
  explicit Request(std::string_view shader) { request_.shader = shader; }

  // As written into the WGSL text: a type's name, "3u", "-3", "true".
  void knob(std::string_view name, std::string_view text);
  void knob(std::string_view name, uint32_t value);
  void knob(std::string_view name, int32_t value);
  void knob(std::string_view name, bool value);

  // The uniform block, word by word.
  void word(const Dim& value);
  void word(float value);
  void words(std::span<const Dim> values);
  void words(std::span<const float> values);
  void pad(int count);
  void first_workgroup();  // the word that plan::cut sets

  void bind(const plan::SlotRange& range, bool writable);
  plan::DispatchRequest finish(const Dim& workgroups);

 private:
  plan::DispatchRequest request_;
};

}  // namespace sluice::shader
