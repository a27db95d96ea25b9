// What the exports share; private to this room. A Session is what a handle stands for. Every export
// ends with exactly one of `done`, `reply` or `fail`, which set the text that belongs to the call.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "session/remote.h"
#include "tensor/value.h"

namespace sluice::wasm {

// What a session keeps for the cutout, in cutout.cc.
struct Cutout;
struct CutoutDeleter {
  void operator()(Cutout* cutout) const;
};

// An output as the host was told of it.
struct ToldOutput {
  DType dtype;
  Shape shape;
  const std::byte* data;
};

struct Session {
  std::unique_ptr<session::RemoteSession> remote;
  std::vector<ToldOutput> told;  // of the latest run on the CPU; empty: cpu_run_again tells anew
  std::unique_ptr<Cutout, CutoutDeleter> cutout;  // null before the first prepare
};

// Null where there is no such session: `fail` has been called, the export returns kNoSession.
Session* find(int32_t handle);
inline constexpr int32_t kNoSession = -(1 + static_cast<int32_t>(ErrorCode::kUsage));
int32_t add(std::unique_ptr<Session> session);

// Text of the call: nothing, JSON, the error.
int32_t done(int32_t value = 0);
int32_t reply(const Json& json, int32_t value = 0);
// The text is JSON already.
int32_t reply_text(std::string json, int32_t value = 0);
int32_t fail(const Error& error);

// Arguments.
inline std::string_view text_of(const char* data, uint32_t bytes) { return {data, bytes}; }
// A JSON object; `what` names the argument in the error.
Result<Json> parse_object(const char* data, uint32_t bytes, std::string_view what);
// Memory that the host has handed over: freed with the last owner.
std::shared_ptr<const void> owned(void* data);

// A value as abi.h describes it. Pointers into `value` stay good while it lives; packed elements
// narrower than a byte are given as they lie.
Json value_json(std::string_view name, const Value& value);
// {"data": pointer, "bytes"}
Json span_json(std::span<const std::byte> bytes);
uint32_t address_of(const void* data);

}  // namespace sluice::wasm
