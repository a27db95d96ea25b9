#include "session/binding.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace sluice::session {

namespace {

constexpr Backend kBackends[] = {Backend::kAuto, Backend::kCpu, Backend::kReference,
                                 Backend::kWebGpu};
constexpr Evidence kEvidences[] = {Evidence::kInferred, Evidence::kReported, Evidence::kProven};
constexpr Precision kPrecisions[] = {Precision::kFloat32, Precision::kFloat16, Precision::kWidened};

// --- one description of every struct, read by both directions of JSON

struct Writer {
  Json& out;
  template <class T>
  void operator()(const char* name, const T& value) {
    out[name] = write(value);
  }
  template <class T>
  static Json write(const T& value);
};

struct Reader {
  const Json& in;
  template <class T>
  void operator()(const char* name, T& value) {
    const auto at = in.find(name);
    if (at != in.end()) read(*at, value);
  }
  template <class T>
  static void read(const Json& in, T& value);
};

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, plan::Limits>
{
  visit("max_storage_buffers_per_stage", x.max_storage_buffers_per_stage);
  visit("max_storage_binding_bytes", x.max_storage_binding_bytes);
  visit("max_uniform_binding_bytes", x.max_uniform_binding_bytes);
  visit("max_buffer_bytes", x.max_buffer_bytes);
  visit("max_workgroups_per_dimension", x.max_workgroups_per_dimension);
  visit("max_invocations_per_workgroup", x.max_invocations_per_workgroup);
  visit("max_workgroup_size_x", x.max_workgroup_size_x);
  visit("max_workgroup_size_y", x.max_workgroup_size_y);
  visit("max_workgroup_size_z", x.max_workgroup_size_z);
  visit("max_workgroup_storage_bytes", x.max_workgroup_storage_bytes);
  visit("min_storage_offset_alignment", x.min_storage_offset_alignment);
  visit("min_uniform_offset_alignment", x.min_uniform_offset_alignment);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, plan::Features>
{
  visit("f16", x.f16);
  visit("subgroups", x.subgroups);
  visit("packed_dot", x.packed_dot);
  visit("timestamp_query", x.timestamp_query);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, AdapterFacts>
{
  visit("present", x.present);
  visit("vendor", x.vendor);
  visit("architecture", x.architecture);
  visit("device", x.device);
  visit("description", x.description);
  visit("backend", x.backend);
  visit("type", x.type);
  visit("library", x.library);
  visit("software", x.software);
  visit("limits", x.limits);
  visit("features", x.features);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, Island>
{
  visit("node", x.node);
  visit("op", x.op);
  visit("reason", x.reason);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, GateFinding>
{
  visit("check", x.check);
  visit("passed", x.passed);
  visit("sentence", x.sentence);
  visit("seconds", x.seconds);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, Failover>
{
  visit("stage", x.stage);
  visit("error", x.error);
  visit("device_lost", x.device_lost);
  visit("rebound", x.rebound);
  visit("redone", x.redone);
  visit("seconds", x.seconds);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, PlanFigures>
{
  visit("dispatches", x.dispatches);
  visit("pipelines", x.pipelines);
  visit("most_storage_buffers", x.most_storage_buffers);
  visit("largest_binding_bytes", x.largest_binding_bytes);
  visit("largest_buffer_bytes", x.largest_buffer_bytes);
  visit("predicted_peak_bytes", x.predicted_peak_bytes);
  visit("weights_bytes", x.weights_bytes);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, SteadyTimes>
{
  visit("n", x.n);
  visit("median_seconds", x.median_seconds);
  visit("min_seconds", x.min_seconds);
  visit("max_seconds", x.max_seconds);
  visit("sum_seconds", x.sum_seconds);
  visit("buckets", x.buckets);
}

template <class V, class T>
void members(V& visit, T& x)
  requires std::is_same_v<std::remove_const_t<T>, Binding>
{
  visit("requested", x.requested);
  visit("bound", x.bound);
  visit("evidence", x.evidence);
  visit("reason", x.reason);
  visit("adapter", x.adapter);
  visit("threads", x.threads);
  visit("instruction_set", x.instruction_set);
  visit("precision", x.precision);
  visit("widened_float16", x.widened_float16);
  visit("model_sha256", x.model_sha256);
  visit("weights_sha256", x.weights_sha256);
  visit("islands", x.islands);
  visit("gate", x.gate);
  visit("failovers", x.failovers);
  visit("plan", x.plan);
  visit("read_seconds", x.read_seconds);
  visit("compile_seconds", x.compile_seconds);
  visit("prepare_seconds", x.prepare_seconds);
  visit("init_seconds", x.init_seconds);
  visit("first_run_seconds", x.first_run_seconds);
  visit("last_run_seconds", x.last_run_seconds);
  visit("runs", x.runs);
  visit("steady", x.steady);
  visit("host_copies", x.host_copies);
  visit("host_copy_bytes", x.host_copy_bytes);
  visit("recompilations", x.recompilations);
}

template <class T>
constexpr bool kIsList = false;
template <class T>
constexpr bool kIsList<std::vector<T>> = true;

template <class T>
Json Writer::write(const T& value) {
  if constexpr (std::is_same_v<T, Backend>) {
    return backend_name(value);
  } else if constexpr (std::is_same_v<T, Evidence>) {
    return evidence_name(value);
  } else if constexpr (std::is_same_v<T, Precision>) {
    return precision_name(value);
  } else if constexpr (kIsList<T>) {
    Json list = Json::array();
    for (const auto& item : value) list.push_back(write(item));
    return list;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else {
    Json object = Json::object();
    Writer visit{object};
    members(visit, value);
    return object;
  }
}

// A member of another kind than expected keeps its default.
template <class T>
void Reader::read(const Json& in, T& value) {
  const auto by_name = [&](const auto& all, auto name_of) {
    if (!in.is_string()) return;
    for (const auto one : all) {
      if (name_of(one) == in.get_ref<const std::string&>()) value = static_cast<T>(one);
    }
  };
  if constexpr (std::is_same_v<T, Backend>) {
    by_name(kBackends, backend_name);
  } else if constexpr (std::is_same_v<T, Evidence>) {
    by_name(kEvidences, evidence_name);
  } else if constexpr (std::is_same_v<T, Precision>) {
    by_name(kPrecisions, precision_name);
  } else if constexpr (kIsList<T>) {
    if (!in.is_array()) return;
    value.clear();
    for (const Json& item : in) read(item, value.emplace_back());
  } else if constexpr (std::is_same_v<T, bool>) {
    if (in.is_boolean()) value = in.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (in.is_string()) value = in.get_ref<const std::string&>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (in.is_number()) value = in.get<T>();
  } else if constexpr (std::is_unsigned_v<T>) {
    if (in.is_number_unsigned()) value = in.get<T>();
  } else if constexpr (std::is_integral_v<T>) {
    if (in.is_number_integer()) value = in.get<T>();
  } else {
    if (!in.is_object()) return;
    Reader visit{in};
    members(visit, value);
  }
}

// The one list of what a run changes: names and values are made from it.
template <class V>
void run_figures_of(const Binding& x, V visit) {
  visit("last_run_seconds", x.last_run_seconds);
  visit("runs", x.runs);
  visit("steady.n", x.steady.n);
  visit("steady.median_seconds", x.steady.median_seconds);
  visit("steady.min_seconds", x.steady.min_seconds);
  visit("steady.max_seconds", x.steady.max_seconds);
  visit("steady.sum_seconds", x.steady.sum_seconds);
}

// --- text

// An untrusted name inside a line: escaped as quoted() does, without the quotes.
std::string plain(std::string_view name) {
  std::string text = quoted(name);
  return text.substr(1, text.size() - 2);
}

std::string requested_text(Backend requested) {
  return requested == Backend::kAuto ? "webgpu,cpu" : std::string(backend_name(requested));
}

std::string adapter_text(const AdapterFacts& adapter) {
  std::string line = cat("adapter ", adapter.software ? "software" : "hw",
                         " storageBuffers/stage=", adapter.limits.max_storage_buffers_per_stage,
                         " maxBinding=", adapter.limits.max_storage_binding_bytes >> 20, "MiB");
  std::string name = !adapter.device.empty()        ? adapter.device
                     : !adapter.description.empty() ? adapter.description
                                                    : adapter.architecture;
  if (name.empty()) name = adapter.vendor;
  line += name.empty() ? " (no name given" : " (" + plain(name);
  if (!adapter.backend.empty()) line += ", " + plain(adapter.backend);
  return line + ")";
}

}  // namespace

std::string_view backend_name(Backend backend) {
  switch (backend) {
    case Backend::kAuto:
      return "auto";
    case Backend::kCpu:
      return "cpu";
    case Backend::kReference:
      return "reference";
    case Backend::kWebGpu:
      return "webgpu";
  }
  return "?";
}

std::string_view evidence_name(Evidence evidence) {
  switch (evidence) {
    case Evidence::kInferred:
      return "inferred";
    case Evidence::kReported:
      return "reported";
    case Evidence::kProven:
      return "proven";
  }
  return "?";
}

std::string_view precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "f32";
    case Precision::kFloat16:
      return "f16";
    case Precision::kWidened:
      return "f16 widened to f32";
  }
  return "?";
}

size_t duration_bucket(double seconds) {
  const auto at = std::ranges::lower_bound(kDurationBounds, seconds);  // upper bounds are inclusive
  return static_cast<size_t>(at - std::begin(kDurationBounds));
}

void Binding::record_run(double seconds) {
  last_run_seconds = seconds;
  evidence = Evidence::kProven;
  if (runs++ == 0) {
    first_run_seconds = seconds;
    return;
  }
  const size_t at = static_cast<size_t>(steady.n) % kSteadyWindow;
  if (samples_.size() <= at) {
    samples_.reserve(kSteadyWindow);
    samples_.push_back(static_cast<float>(seconds));
  } else {
    samples_[at] = static_cast<float>(seconds);
  }
  steady.min_seconds = steady.n == 0 ? seconds : std::min(steady.min_seconds, seconds);
  steady.max_seconds = std::max(steady.max_seconds, seconds);
  steady.sum_seconds += seconds;
  steady.buckets.resize(std::size(kDurationBounds) + 1);
  ++steady.buckets[duration_bucket(seconds)];
  ++steady.n;
  // A run of 0.1 ms should not pay for this: of many, one in 32.
  if (steady.n > 64 && steady.n % 32 != 0) return;
  sorted_.reserve(kSteadyWindow);
  sorted_ = samples_;
  const auto middle = sorted_.begin() + static_cast<ptrdiff_t>(sorted_.size() / 2);
  std::ranges::nth_element(sorted_, middle);
  steady.median_seconds = *middle;
}

const std::vector<std::string>& Binding::run_figure_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    run_figures_of(Binding{}, [&](const char* name, auto) { out.emplace_back(name); });
    for (size_t i = 0; i <= std::size(kDurationBounds); ++i) {
      out.push_back(cat("steady.buckets.", i));
    }
    return out;
  }();
  return names;
}

void Binding::run_figures(std::vector<double>& values) const {
  values.clear();
  run_figures_of(*this, [&](const char*, auto value) { values.push_back(double(value)); });
  for (size_t i = 0; i <= std::size(kDurationBounds); ++i) {
    values.push_back(i < steady.buckets.size() ? static_cast<double>(steady.buckets[i]) : 0);
  }
}

void Binding::record_failover(Failover failover) {
  bound = failover.rebound;
  evidence = Evidence::kReported;
  failovers.push_back(std::move(failover));
}

std::string Binding::console_line(std::string_view model) const {
  std::string line = cat("[EP] sluice · ", plain(model), " · requested=", requested_text(requested),
                         " = bound=", backend_name(bound));
  if (evidence != Evidence::kProven) line += cat(" (", evidence_name(evidence), ")");
  line += " | ";
  if (bound == Backend::kWebGpu) {
    line += adapter_text(adapter);
  } else {
    line += cat(threads, threads == 1 ? " thread" : " threads");
    if (!instruction_set.empty()) line += ", " + instruction_set;
  }
  line += ", ";
  line += widened_float16 ? precision_name(Precision::kWidened) : precision_name(precision);
  // A plan that waits for the first run's shapes has no islands to tell of yet.
  const bool planned = bound != Backend::kWebGpu || plan.dispatches > 0 || !islands.empty();
  line += cat(", islands=", planned ? std::to_string(islands.size()) : "?");
  if (!failovers.empty()) line += cat(", failovers=", failovers.size());
  if (!reason.empty()) line += " — " + reason;
  return line;
}

std::vector<std::string> Binding::event_lines(std::string_view model) const {
  const std::string head = cat("[EP] sluice · ", plain(model), " · ");
  std::vector<std::string> lines;
  for (const GateFinding& finding : gate) {
    if (!finding.passed) {
      lines.push_back(cat(head, "gate refused webgpu (", finding.check, "): ", finding.sentence));
    }
  }
  for (const Failover& event : failovers) {
    std::string line = cat(head, event.device_lost ? "device lost at " : "failed at ", event.stage,
                           ": ", event.error, " = bound=", backend_name(event.rebound));
    if (!event.redone.empty()) line += cat(" | done again: ", event.redone);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string Binding::to_json(int indent) const {
  // Names are the file's or the driver's; bytes that are no UTF-8 become U+FFFD.
  return json_text(Writer::write(*this), indent);
}

Result<Binding> binding_from_json(std::string_view text) {
  const Json in = parse_json(text);
  if (in.is_discarded() || !in.is_object()) {
    return usage_error("The text of a binding is not a JSON object");
  }
  Binding binding;
  Reader::read(in, binding);
  return binding;
}

}  // namespace sluice::session
