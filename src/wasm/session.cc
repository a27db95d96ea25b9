// A model's life: open, feed, run on the CPU, the record.
#include <algorithm>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/text.h"
#include "session/remote.h"
#include "wasm/abi.h"
#include "wasm/parted_block.h"
#include "wasm/state.h"

namespace sluice::wasm {
namespace {

Json dims_json(const std::optional<Dims>& dims) {
  if (!dims) return nullptr;
  Json out = Json::array();
  for (const Dim& dim : *dims) {
    if (dim.is_known()) {
      out.push_back(dim.value());
    } else if (dim.is_unknown()) {
      out.push_back(nullptr);
    } else {
      out.push_back(dim.text());
    }
  }
  return out;
}

Json infos_json(const std::vector<session::IoInfo>& infos) {
  Json out = Json::array();
  for (const session::IoInfo& info : infos) {
    out.push_back({{"name", info.name},
                   {"dtype", info.type.is_tensor() ? std::string(dtype_name(info.type.dtype))
                                                   : info.type.text()},
                   {"dims", dims_json(info.type.dims)}});
  }
  return out;
}

Result<Shape> shape_of(const Json& dims, std::string_view what) {
  if (!dims.is_array() || dims.size() > kMaxRank) {
    return usage_error(
        cat("The dims of ", what, " are not a list of at most ", kMaxRank, " numbers"));
  }
  Shape shape;
  for (const Json& dim : dims) {
    if (!dim.is_number_integer() || dim.get<int64_t>() < 0) {
      return usage_error(cat("The dims of ", what, " hold ", json_text(dim),
                             " (whole numbers from 0 are expected)"));
    }
    shape.push_back(dim.get<int64_t>());
  }
  return shape;
}

Result<std::vector<std::string>> strings_of(const Json& list, std::string_view what) {
  if (!list.is_array()) return usage_error(cat(what, " is not a list of texts"));
  std::vector<std::string> out;
  for (const Json& item : list) {
    if (!item.is_string()) return usage_error(cat(what, " is not a list of texts"));
    out.push_back(item.get<std::string>());
  }
  return out;
}

// Memory that was handed over with a model's bytes in it.
session::ModelFile file_in(void* data, size_t bytes, const std::string& name) {
  const auto block = PartedBlock::adopt(data, bytes);
  session::ModelFile out(
      MappedFile::adopt({static_cast<const std::byte*>(data), bytes}, block->rest(), name));
  out.part = [block](std::span<const std::byte> stretch) { return block->part(stretch); };
  out.movable = true;
  return out;
}

// Takes the handed-over memory first, so that it is freed whatever else is wrong.
session::ModelFiles files_of(const Json& json) {
  session::ModelFiles files;
  const auto list = json.find("files");
  if (list == json.end() || !list->is_object()) return files;
  for (const auto& [name, place] : list->items()) {
    if (!place.is_array() || place.size() != 2 || !place[0].is_number_unsigned() ||
        !place[1].is_number_unsigned()) {
      continue;
    }
    files[name] =
        file_in(reinterpret_cast<void*>(place[0].get<uintptr_t>()), place[1].get<size_t>(), name);
  }
  return files;
}

template <class T>
Result<void> read(const Json& json, const char* key, T& out) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return {};
  if constexpr (std::is_same_v<T, bool>) {
    if (!found->is_boolean()) return usage_error(cat("The option ", key, " is not true or false"));
  } else {
    if (!found->is_string()) return usage_error(cat("The option ", key, " is not a text"));
  }
  out = found->template get<T>();
  return {};
}

Result<void> read_limits(const Json& json, session::Options& options) {
  const auto found = json.find("limits");
  if (found == json.end() || found->is_null()) return {};
  if (!found->is_object()) return usage_error("The option limits is not an object");
  // Under the names that the Binding's JSON has for them.
  const Json record = {{"adapter", {{"limits", *found}}}};
  SLUICE_ASSIGN(const session::Binding binding, session::binding_from_json(json_text(record)));
  options.limits = binding.adapter.limits;
  return {};
}

Result<session::Options> options_of(const Json& json, std::string& name) {
  session::Options options;
  std::string requested = "auto";
  SLUICE_TRY(read(json, "name", name));
  SLUICE_TRY(read(json, "requested", requested));
  SLUICE_TRY(read(json, "fuse", options.fuse));
  SLUICE_TRY(read(json, "strict", options.strict));
  SLUICE_TRY(read(json, "allowSoftware", options.allow_software));
  if (requested == "auto") {
    options.backend = session::Backend::kAuto;
  } else if (requested == "webgpu") {
    options.backend = session::Backend::kWebGpu;
  } else if (requested == "cpu") {
    options.backend = session::Backend::kCpu;
  } else {
    return usage_error(
        cat("The option requested is ", sluice::quoted(requested), " (auto, webgpu or cpu)"));
  }
  if (const auto outputs = json.find("outputs"); outputs != json.end() && !outputs->is_null()) {
    SLUICE_ASSIGN(options.outputs, strings_of(*outputs, "The option outputs"));
  }
  if (const auto shapes = json.find("inputShapes"); shapes != json.end() && !shapes->is_null()) {
    if (!shapes->is_object()) return usage_error("The option inputShapes is not an object");
    for (const auto& [input, dims] : shapes->items()) {
      SLUICE_ASSIGN(options.input_shapes[input],
                    shape_of(dims, cat("input ", sluice::quoted(input))));
    }
  }
  SLUICE_TRY(read_limits(json, options));
  return options;
}

// What sluice_open and sluice_reopen are given; the memory is taken whatever else is wrong.
struct HandedOver {
  std::string name;  // of the model
  Json options;
  session::ModelFile model;
  session::ModelFiles files;
};

Result<HandedOver> handed_over(void* model, uint32_t bytes, std::string_view options_text) {
  auto parsed = parse_object(options_text.data(), static_cast<uint32_t>(options_text.size()),
                             "session's options");
  HandedOver out;
  out.name = "model";
  if (parsed && parsed->contains("name") && (*parsed)["name"].is_string()) {
    out.name = (*parsed)["name"].get<std::string>();
  }
  out.model = file_in(model, bytes, out.name);
  SLUICE_ASSIGN(out.options, std::move(parsed));
  out.files = files_of(out.options);
  SLUICE_TRY(read(out.options, "modelSha256", out.model.sha256));
  return out;
}

Result<std::unique_ptr<Session>> open(void* model, uint32_t bytes, std::string_view options_text) {
  SLUICE_ASSIGN(HandedOver given, handed_over(model, bytes, options_text));
  SLUICE_ASSIGN(const session::Options options, options_of(given.options, given.name));
  bool can_reopen = false;
  SLUICE_TRY(read(given.options, "canReopen", can_reopen));
  auto out = std::make_unique<Session>();
  SLUICE_ASSIGN(out->remote,
                session::RemoteSession::open(std::move(given.model), given.name, options,
                                             std::move(given.files), can_reopen));
  return out;
}

Result<Value> feed_of(std::shared_ptr<const void> owner, uint32_t bytes, std::string_view text) {
  SLUICE_ASSIGN(const Json json,
                parse_object(text.data(), static_cast<uint32_t>(text.size()), "feed"));
  std::string dtype_text;
  SLUICE_TRY(read(json, "dtype", dtype_text));
  const auto dtype = dtype_from_name(dtype_text);
  if (!dtype || *dtype == DType::kUndefined)
    return usage_error(cat("The feed's dtype ", sluice::quoted(dtype_text), " is not known"));
  SLUICE_ASSIGN(const Shape shape, shape_of(json.value("dims", Json()), "the feed"));
  const auto elements = shape.checked_elements();
  if (*dtype == DType::kString) {
    SLUICE_ASSIGN(const auto strings,
                  strings_of(json.value("strings", Json()), "The feed's strings"));
    if (!elements || static_cast<size_t>(*elements) != strings.size())
      return usage_error(
          cat("The feed has ", strings.size(), " strings (its dims are ", shape.text(), ")"));
    return Value(Tensor::of_strings(shape, strings));
  }
  const auto want = elements ? storage_bytes(*dtype, *elements) : std::nullopt;
  if (!want || *want != bytes) {
    return usage_error(cat("The feed has ", bytes, " bytes (", dtype_text, shape.text(), " has ",
                           want.value_or(0), ")"));
  }
  const auto* data = static_cast<const std::byte*>(owner.get());
  return Value(Tensor::view(*dtype, shape, {data, bytes}, std::move(owner)));
}

Result<session::RemoteFailure> failure_of(std::string_view text) {
  SLUICE_ASSIGN(const Json json, parse_object(text.data(), static_cast<uint32_t>(text.size()),
                                              "word about a failure"));
  session::RemoteFailure out;
  SLUICE_TRY(read(json, "stage", out.stage));
  SLUICE_TRY(read(json, "error", out.error));
  SLUICE_TRY(read(json, "deviceLost", out.device_lost));
  return out;
}

Json results_json(const session::NamedValues& results) {
  Json out = Json::array();
  for (const auto& [name, value] : results) out.push_back(value_json(name, value));
  return out;
}

// Whether the outputs lie where `told` says; remembers where they lie.
bool lie_as_told(const session::NamedValues& results, std::vector<ToldOutput>& told) {
  const auto is_plain = [](const auto& result) {
    return result.second.is_tensor() && result.second.tensor().dtype() != DType::kString;
  };
  if (!std::ranges::all_of(results, is_plain)) {
    told.clear();
    return false;
  }
  const auto same = [](const auto& result, const ToldOutput& then) {
    const Tensor& now = result.second.tensor();
    return now.dtype() == then.dtype && now.bytes().data() == then.data &&
           now.shape() == then.shape;
  };
  if (!told.empty() && std::ranges::equal(results, told, same)) return true;
  told.clear();
  for (const auto& [name, value] : results) {
    const Tensor& tensor = value.tensor();
    told.push_back({tensor.dtype(), tensor.shape(), tensor.bytes().data()});
  }
  return false;
}

int32_t cpu_run(int32_t handle, bool again) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto results = session->remote->run_cpu();
  if (!results) {
    session->told.clear();
    return fail(results.error());
  }
  if (lie_as_told(**results, session->told) && again) return done(1);
  return reply({{"outputs", results_json(**results)},
                {"seconds", session->remote->binding().last_run_seconds}});
}

}  // namespace
}  // namespace sluice::wasm

using namespace sluice;
using namespace sluice::wasm;

int32_t sluice_open(void* model, uint32_t bytes, const char* options, uint32_t options_bytes) {
  auto opened = open(model, bytes, text_of(options, options_bytes));
  if (!opened) return fail(opened.error());
  const session::RemoteSession& remote = *(*opened)->remote;
  const session::Binding& binding = remote.binding();
  const Json json = {{"inputs", infos_json(remote.inputs())},
                     {"outputs", infos_json(remote.outputs())},
                     {"modelSha256", binding.model_sha256},
                     {"readSeconds", binding.read_seconds},
                     {"runFigures", session::Binding::run_figure_names()}};
  return reply(json, add(std::move(opened).value()));
}

int32_t sluice_reopen(int32_t handle, void* model, uint32_t bytes, const char* options,
                      uint32_t options_bytes) {
  auto given = handed_over(model, bytes, text_of(options, options_bytes));
  if (!given) return fail(given.error());
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto opened = session->remote->reopen(std::move(given->model), std::move(given->files));
  return opened ? done() : fail(opened.error());
}

int32_t sluice_model_held(int32_t handle) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return done(session->remote->model_held() ? 1 : 0);
}

int32_t sluice_feed(int32_t handle, uint32_t input, const char* tensor, uint32_t tensor_bytes,
                    void* data, uint32_t data_bytes) {
  std::shared_ptr<const void> owner = owned(data);
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  auto value = feed_of(std::move(owner), data_bytes, text_of(tensor, tensor_bytes));
  if (!value) return fail(value.error());
  const auto set = session->remote->set_feed(input, std::move(value).value());
  return set ? done() : fail(set.error());
}

int32_t sluice_cpu_bind(int32_t handle) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto bound = session->remote->bind_cpu();
  return bound ? done() : fail(bound.error());
}

int32_t sluice_cpu_run(int32_t handle) { return cpu_run(handle, false); }

int32_t sluice_cpu_run_again(int32_t handle) { return cpu_run(handle, true); }

int32_t sluice_gpu_failover(int32_t handle, const char* why, uint32_t why_bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto failure = failure_of(text_of(why, why_bytes));
  if (!failure) return fail(failure.error());
  const auto bound = session->remote->gpu_failover(*failure);
  return bound ? done() : fail(bound.error());
}

const double* sluice_run_figures(int32_t handle) {
  Session* session = find(handle);
  if (session == nullptr) return nullptr;
  const std::span<const double> figures = session->remote->run_figures();
  return figures.empty() ? nullptr : figures.data();
}

int32_t sluice_note(int32_t handle, const char* json, uint32_t bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto noted = session->remote->note(text_of(json, bytes));
  return noted ? done() : fail(noted.error());
}

int32_t sluice_binding(int32_t handle) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return reply_text(session->remote->binding_json());
}

int32_t sluice_work_idly(int32_t handle) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  return done(session->remote->work_idly() ? 1 : 0);
}

int32_t sluice_otlp(int32_t handle, const char* resource, uint32_t resource_bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  auto bodies = session->remote->otlp(text_of(resource, resource_bytes));
  return bodies ? reply_text(std::move(bodies).value()) : fail(bodies.error());
}
