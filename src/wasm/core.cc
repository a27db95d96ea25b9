// The module's beginning: memory, texts, handles, and the start of everything.
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <type_traits>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "exec/cpu/thread_pool.h"
#include "simd/target.h"
#include "wasm/abi.h"
#include "wasm/state.h"

extern "C" void __wasm_call_ctors();

namespace sluice::wasm {

namespace {

std::string& text() {
  static std::string text;
  return text;
}

std::map<int32_t, std::unique_ptr<Session>>& sessions() {
  static std::map<int32_t, std::unique_ptr<Session>> sessions;
  return sessions;
}

}  // namespace

Session* find(int32_t handle) {
  const auto found = sessions().find(handle);
  if (found != sessions().end()) return found->second.get();
  fail(usage_error(cat("There is no session ", handle, " (it was closed, or never opened)")));
  return nullptr;
}

int32_t add(std::unique_ptr<Session> session) {
  static int32_t next = 1;
  sessions().emplace(next, std::move(session));
  return next++;
}

int32_t reply_text(std::string json, int32_t value) {
  text() = std::move(json);
  return value;
}

int32_t done(int32_t value) { return reply_text("", value); }

int32_t reply(const Json& json, int32_t value) { return reply_text(json_text(json), value); }

int32_t fail(const Error& error) {
  return reply(
      {{"code", error_code_name(error.code)}, {"message", error.message}, {"hint", error.hint}},
      -(1 + static_cast<int32_t>(error.code)));
}

Result<Json> parse_object(const char* data, uint32_t bytes, std::string_view what) {
  Json json = parse_json(text_of(data, bytes));
  if (!json.is_object()) return usage_error(cat("The ", what, " is not a JSON object"));
  return json;
}

std::shared_ptr<const void> owned(void* data) {
  return {data, [](const void* memory) { std::free(const_cast<void*>(memory)); }};
}

uint32_t address_of(const void* data) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(data));
}

Json span_json(std::span<const std::byte> bytes) {
  return {{"data", address_of(bytes.data())}, {"bytes", bytes.size()}};
}

Json value_json(std::string_view name, const Value& value) {
  Json json;
  if (!name.empty()) json["name"] = name;
  switch (value.kind()) {
    case Value::Kind::kNone:
      json["none"] = true;
      break;
    case Value::Kind::kTensor: {
      const Tensor& tensor = value.tensor();
      json["dtype"] = dtype_name(tensor.dtype());
      json["dims"] = tensor.shape().dims();
      if (tensor.dtype() == DType::kString) {
        json["strings"] = tensor.span<std::string>();
      } else {
        json.update(span_json(tensor.bytes()));
      }
      break;
    }
    case Value::Kind::kOptional:
      if (value.items().empty()) {
        json["none"] = true;
        break;
      }
      return value_json(name, value.items()[0]);
    case Value::Kind::kSequence: {
      Json items = Json::array();
      for (const Value& item : value.items()) items.push_back(value_json("", item));
      json["sequence"] = std::move(items);
      break;
    }
  }
  return json;
}

}  // namespace sluice::wasm

using namespace sluice;
using namespace sluice::wasm;

void sluice_initialize() { __wasm_call_ctors(); }

void* sluice_alloc(uint32_t bytes) {
  constexpr uint32_t kLine = 64;
  if (bytes > UINT32_MAX - 2 * kLine) return nullptr;
  return std::aligned_alloc(kLine, (bytes / kLine + 1) * kLine);
}
void sluice_free(void* data) { std::free(data); }
void* sluice_resize(void* data, uint32_t bytes) {
  return bytes == 0 ? nullptr : std::realloc(data, bytes);
}

static_assert(std::is_trivially_destructible_v<Sha256>);  // ends with sluice_free
void* sluice_hash_begin() {
  void* const state = sluice_alloc(sizeof(Sha256));
  return state == nullptr ? nullptr : new (state) Sha256();
}
void sluice_hash(void* state, const void* data, uint32_t bytes) {
  static_cast<Sha256*>(state)->update({static_cast<const std::byte*>(data), bytes});
}
void sluice_hash_end(const void* state, char* text) {
  Sha256 so_far = *static_cast<const Sha256*>(state);
  const std::string digits = hex(so_far.finish());
  std::memcpy(text, digits.data(), digits.size());
}
const char* sluice_text_data() { return text().data(); }
uint32_t sluice_text_size() { return static_cast<uint32_t>(text().size()); }

int32_t sluice_configure(int32_t threads) {
  exec::cpu::ThreadPool::set_worker_count(threads - 1);
  return reply({{"version", SLUICE_VERSION},
                {"simd", simd::target_name()},
                {"threads", exec::cpu::ThreadPool().threads()}});
}

void sluice_close(int32_t session) { sessions().erase(session); }
