#include "shader/request.h"

#include <string>
#include <utility>

namespace sluice::shader {

using plan::Word;

void Request::knob(std::string_view name, std::string_view text) {
  request_.knobs.emplace_back(name, text);
}
void Request::knob(std::string_view name, uint32_t value) {
  knob(name, std::string_view(std::to_string(value) + "u"));
}
void Request::knob(std::string_view name, int32_t value) {
  knob(name, std::string_view(std::to_string(value)));
}
void Request::knob(std::string_view name, bool value) {
  knob(name, std::string_view(value ? "true" : "false"));
}

void Request::word(const Dim& value) { request_.params.push_back(Word::integer(value)); }
void Request::word(float value) { request_.params.push_back(Word::floating(value)); }
void Request::words(std::span<const Dim> values) {
  for (const Dim& value : values) word(value);
}
void Request::words(std::span<const float> values) {
  for (const float value : values) word(value);
}
void Request::pad(int count) {
  for (int i = 0; i < count; ++i) word(Dim(0));
}
void Request::first_workgroup() {
  request_.first_workgroup = static_cast<int32_t>(request_.params.size());
  word(Dim(0));
}

void Request::bind(const plan::SlotRange& range, bool writable) {
  request_.bindings.push_back({range, writable});
}

plan::DispatchRequest Request::finish(const Dim& workgroups) {
  request_.workgroups = workgroups;
  return std::move(request_);
}

}  // namespace sluice::shader
