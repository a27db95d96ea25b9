// The device's side of a session, as the host drives it (session/remote.h).
#include "base/text.h"
#include "session/remote.h"
#include "wasm/abi.h"
#include "wasm/state.h"

namespace sluice::wasm {
namespace {

using session::RemoteSession;

std::span<const std::byte> bytes_of(const void* data, uint32_t bytes) {
  return {static_cast<const std::byte*>(data), bytes};
}

Json verdict_json(const session::RemoteVerdict& verdict) {
  Json findings = Json::array();
  for (const session::GateFinding& finding : verdict.findings) {
    findings.push_back({{"check", finding.check},
                        {"passed", finding.passed},
                        {"sentence", finding.sentence},
                        {"seconds", finding.seconds}});
  }
  return {{"passed", verdict.passed},
          {"refusal", verdict.refusal},
          {"findings", std::move(findings)},
          {"parts", RemoteSession::kCanaryParts},
          {"rounds", RemoteSession::kCanaryRounds}};
}

Json words_json(const plan::Encoded& code) {
  return Json::array({address_of(code.words.data()), code.words.size()});
}

Json figures_json(const session::PlanFigures& figures) {
  session::Binding binding;
  binding.plan = figures;
  return parse_json(binding.to_json())["plan"];
}

double number_of(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_number() ? at->get<double>() : 0;
}
std::string string_of(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

int32_t reply_bytes(const Result<std::span<const std::byte>>& bytes) {
  return bytes ? reply(span_json(*bytes)) : fail(bytes.error());
}
int32_t reply_done(const Result<void>& result) { return result ? done() : fail(result.error()); }
int32_t reply_verdict(const Result<session::RemoteVerdict>& verdict) {
  return verdict ? reply(verdict_json(*verdict)) : fail(verdict.error());
}

}  // namespace
}  // namespace sluice::wasm

using namespace sluice;
using namespace sluice::wasm;

int32_t sluice_gpu_adapter(int32_t handle, const char* adapter, uint32_t adapter_bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  auto json = parse_object(adapter, adapter_bytes, "adapter");
  if (!json) return fail(json.error());
  const Json record = {{"adapter", std::move(json).value()}};
  const auto binding = session::binding_from_json(json_text(record));
  if (!binding) return fail(binding.error());
  session::AdapterFacts facts = binding->adapter;
  facts.present = true;
  return reply_verdict(session->remote->gpu_adapter(facts));
}

int32_t sluice_gpu_canary(int32_t handle, uint32_t part) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto code = session->remote->gpu_canary(static_cast<int>(part));
  if (!code) return fail(code.error());
  return reply({{"words", words_json(**code)}, {"strings", (*code)->strings}});
}

int32_t sluice_gpu_canary_data(int32_t handle, uint32_t kind, uint32_t index) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_bytes(session->remote->gpu_canary_data(static_cast<int>(kind), index));
}

int32_t sluice_gpu_canary_judge(int32_t handle, uint32_t output, const void* data, uint32_t bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_done(session->remote->gpu_canary_judge(output, bytes_of(data, bytes)));
}

int32_t sluice_gpu_canary_failed(int32_t handle, uint32_t part, const char* why,
                                 uint32_t why_bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_done(session->remote->gpu_canary_failed(static_cast<int>(part),
                                                       std::string(text_of(why, why_bytes))));
}

int32_t sluice_gpu_canary_verdict(int32_t handle, const char* about, uint32_t about_bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto json = parse_object(about, about_bytes, "word about a self-test");
  if (!json) return fail(json.error());
  return reply_verdict(
      session->remote->gpu_canary_verdict(string_of(*json, "when"), number_of(*json, "seconds")));
}

int32_t sluice_gpu_prepare(int32_t handle) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto prepared = session->remote->gpu_prepare();
  if (!prepared) return fail(prepared.error());
  Json json = {{"program", prepared->program}};
  if (prepared->program != 0) {
    json["fresh"] = prepared->fresh;
    json["complete"] = prepared->complete;
    json["generation"] = prepared->generation;
    json["words"] = words_json(*prepared->code);
    if (prepared->fresh) json["strings"] = prepared->code->strings;
    json["islands"] = Json::array();
    for (const session::Island& island : prepared->islands) {
      json["islands"].push_back(
          {{"node", island.node}, {"op", island.op}, {"reason", island.reason}});
    }
    json["figures"] = figures_json(prepared->figures);
  }
  return reply(json);
}

int32_t sluice_gpu_constant(int32_t handle, uint32_t constant) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_bytes(session->remote->gpu_constant(constant));
}

int32_t sluice_gpu_input(int32_t handle, uint32_t input) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_bytes(session->remote->gpu_input(input));
}

int32_t sluice_gpu_island_input(int32_t handle, uint32_t step, uint32_t index, const void* data,
                                uint32_t bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_done(session->remote->gpu_island_input(step, index, bytes_of(data, bytes)));
}

int32_t sluice_gpu_island_run(int32_t handle, uint32_t step) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_done(session->remote->gpu_island_run(step));
}

int32_t sluice_gpu_island_output(int32_t handle, uint32_t step, uint32_t index) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_bytes(session->remote->gpu_island_output(step, index));
}

int32_t sluice_gpu_output(int32_t handle, uint32_t output, const void* data, uint32_t bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_done(session->remote->gpu_output(output, bytes_of(data, bytes)));
}

int32_t sluice_gpu_finish(int32_t handle, const char* record, uint32_t record_bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto json = parse_object(record, record_bytes, "record of a run");
  if (!json) return fail(json.error());
  std::string recheck;
  const auto results = session->remote->gpu_finish(number_of(*json, "seconds"), &recheck);
  if (!results) return fail(results.error());
  if (*results == nullptr) return reply({{"recheck", recheck}});
  Json outputs = Json::array();
  for (const auto& [name, value] : **results) outputs.push_back(value_json(name, value));
  return reply({{"outputs", std::move(outputs)}, {"nonfinite", session->remote->saw_nonfinite()}});
}
