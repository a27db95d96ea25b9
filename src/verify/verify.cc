#include "verify/verify.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "tensor/npy.h"

namespace sluice::verify {

int Report::first_failure() const {
  const auto found = std::ranges::find_if(checks, [](const Check& c) { return !c.ok(); });
  return found == checks.end() ? -1 : static_cast<int>(found - checks.begin());
}

std::string Report::not_where_asked() const {
  if (binding.requested == session::Backend::kAuto || binding.runs == 0) return {};
  const std::string asked(session::backend_name(binding.requested));
  if (!binding.failovers.empty()) {
    const session::Failover& last = binding.failovers.back();
    return cat("The run was not finished on ", asked, " but on ",
               session::backend_name(last.rebound), " (", last.stage, ": ", last.error, ")");
  }
  if (binding.bound == binding.requested) return {};
  return cat("The session is bound to ", session::backend_name(binding.bound), " (", asked,
             " was asked for): ", binding.reason);
}

Check compare(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  Check check;
  check.type = Type::tensor(want.dtype(), to_dims(want.shape()));
  check.elements = want.elements();
  // bool comes back from some oracles as bytes; float16 models may be compared widened.
  const bool comparable = got.dtype() == want.dtype() ||
                          (is_floating(got.dtype()) && is_floating(want.dtype())) ||
                          (dtype_bits(got.dtype()) == 8 && dtype_bits(want.dtype()) == 8);
  if (!comparable || !(got.shape() == want.shape())) {
    check.problem = cat("is ", got.text(), " (the reference is ", want.text(), ")");
    return check;
  }
  if (got.dtype() == DType::kString || is_complex(got.dtype())) return check;
  const bool floating = is_floating(got.dtype());
  double error_sum = 0, reference_sum = 0;
  for (int64_t i = 0; i < want.elements(); ++i) {
    const double a = got.get_double(i), b = want.get_double(i);
    bool good = true;
    if (!std::isfinite(a) || !std::isfinite(b)) {
      good = a == b || (std::isnan(a) && std::isnan(b));
      if (!std::isfinite(a) && std::isfinite(b)) ++check.non_finite;
    } else {
      const double error = std::fabs(a - b);
      check.max_abs = std::max(check.max_abs, error);
      if (b != 0) check.max_rel = std::max(check.max_rel, error / std::fabs(b));
      error_sum += error * error;
      reference_sum += b * b;
      good = floating ? error <= tolerance.atol + tolerance.rtol * std::fabs(b)
                      : got.get_int(i) == want.get_int(i);
    }
    if (!good && check.wrong++ == 0) {
      check.first_wrong = i;
      check.got = a;
      check.want = b;
    }
  }
  check.nmse = reference_sum > 0 ? error_sum / reference_sum : error_sum;
  if (check.wrong != 0) {
    for (int64_t i = 0; i < std::min<int64_t>(20, want.elements()); ++i) {
      check.first_got.push_back(got.get_double(i));
      check.first_want.push_back(want.get_double(i));
    }
  }
  return check;
}

Result<Activations> Activations::open(const std::string& folder) {
  SLUICE_ASSIGN(const std::string text, read_file(folder + "/manifest.json", size_t{1} << 28));
  const auto json = parse_json(text);
  if (!json.is_object() || !json.contains("values") || !json["values"].is_array()) {
    return invalid_model(cat(folder, "/manifest.json is no list of values"));
  }
  Activations out;
  out.folder_ = folder;
  for (const auto& entry : json["values"]) {
    if (!entry.is_object()) continue;
    const std::string name = entry.value("name", std::string());
    const std::string file = entry.value("file", std::string());
    if (entry.value("role", std::string()) == "input") out.inputs_.push_back(name);
    // Only plain names: a manifest must not lead out of its folder.
    if (file.empty() || file.find('/') != std::string::npos) continue;
    out.files_.emplace(name, file);
  }
  return out;
}

Result<Tensor> Activations::load(const std::string& name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) {
    return usage_error(cat("The reference activations have no value ", sluice::quoted(name)));
  }
  const std::string path = folder_ + "/" + found->second;
  SLUICE_ASSIGN(auto file, MappedFile::open(path));
  return read_npy(file->bytes(), path);
}

namespace {

void describe(Check& check, const ir::Graph& graph, std::string_view name) {
  check.name = name;
  const ir::ValueId id = graph.find(name);
  if (id == ir::kNoValue || graph.value(id).producer == ir::kNoNode) return;
  const ir::Node& node = graph.node(graph.value(id).producer);
  check.node = node.name;
  check.op = node.full_op();
}

// One more of the runs that a report is made of.
void add_binding(session::Binding& all, const session::Binding& one) {
  if (all.runs == 0) {
    all = one;
    return;
  }
  all.runs += one.runs;
  if (one.bound != one.requested) {
    all.bound = one.bound;
    all.reason = one.reason;
  }
  all.evidence = std::min(all.evidence, one.evidence);
  all.islands.insert(all.islands.end(), one.islands.begin(), one.islands.end());
  all.failovers.insert(all.failovers.end(), one.failovers.begin(), one.failovers.end());
  const auto raise = [](auto& most, auto value) { most = std::max(most, value); };
  all.plan.dispatches += one.plan.dispatches;
  raise(all.plan.most_storage_buffers, one.plan.most_storage_buffers);
  raise(all.plan.largest_binding_bytes, one.plan.largest_binding_bytes);
  raise(all.plan.largest_buffer_bytes, one.plan.largest_buffer_bytes);
  raise(all.plan.predicted_peak_bytes, one.plan.predicted_peak_bytes);
}

// Was an input of the first failing value wrong already?
void trace_failure(Report& report, const ir::Graph& graph) {
  const int first = report.first_failure();
  if (first < 0) return;
  const ir::ValueId id = graph.find(report.checks[static_cast<size_t>(first)].name);
  if (id == ir::kNoValue || graph.value(id).producer == ir::kNoNode) return;
  for (const ir::ValueId input : graph.node(graph.value(id).producer).inputs) {
    if (input == ir::kNoValue) continue;
    for (const Check& check : report.checks) {
      if (check.name == graph.value(input).name && !check.ok()) report.failure_inherited = true;
    }
  }
}

Result<Report> run_against(
    session::Session& session, const session::NamedValues& feeds,
    const std::function<Result<std::optional<Tensor>>(const std::string&)>& want,
    const Tolerance& tolerance) {
  Report report;
  session::Observer observer;
  observer.value = [&](std::string_view name, const Value& value) -> Result<void> {
    if (!value.is_tensor()) return {};
    SLUICE_ASSIGN(const std::optional<Tensor> reference, want(std::string(name)));
    if (!reference) {
      report.unmatched.emplace_back(name);
      return {};
    }
    Check check = compare(value.tensor(), *reference, tolerance);
    describe(check, session.graph(), name);
    report.checks.push_back(std::move(check));
    return {};
  };
  SLUICE_ASSIGN(const auto outputs, session.run(feeds, observer));
  trace_failure(report, session.graph());
  report.binding = session.binding();
  return report;
}

}  // namespace

Result<Report> verify_run(const std::string& model, const Activations& against,
                          const session::Options& options, const Tolerance& tolerance) {
  session::Options whole = options;
  whole.fuse = false;
  SLUICE_ASSIGN(auto session, session::Session::load(model, whole));
  session::NamedValues feeds;
  for (const session::IoInfo& input : session->inputs()) {
    SLUICE_ASSIGN(Tensor tensor, against.load(input.name));
    feeds.emplace_back(input.name, std::move(tensor));
  }
  return run_against(
      *session, feeds,
      [&](const std::string& name) -> Result<std::optional<Tensor>> {
        if (!against.has(name)) return std::optional<Tensor>();
        SLUICE_ASSIGN(Tensor tensor, against.load(name));
        return std::optional<Tensor>(std::move(tensor));
      },
      tolerance);
}

Result<Report> verify_reference(const std::string& model, const session::NamedValues& feeds,
                                const session::Options& options, const Tolerance& tolerance) {
  session::Options reference_options = options;
  reference_options.backend = session::Backend::kReference;
  SLUICE_ASSIGN(auto truth, session::Session::load(model, reference_options));
  std::map<std::string, Tensor> values;
  session::Observer observer;
  observer.value = [&](std::string_view name, const Value& value) -> Result<void> {
    if (!value.is_tensor()) return {};
    SLUICE_ASSIGN(values[std::string(name)], value.tensor().clone());
    return {};
  };
  SLUICE_ASSIGN(const auto ignored, truth->run(feeds, observer));
  session::Options whole = options;
  whole.fuse = false;
  SLUICE_ASSIGN(auto session, session::Session::load(model, whole));
  return run_against(
      *session, feeds,
      [&](const std::string& name) -> Result<std::optional<Tensor>> {
        const auto found = values.find(name);
        return found == values.end() ? std::optional<Tensor>() : found->second;
      },
      tolerance);
}

Result<Report> verify_layers(const std::string& model, const Activations& against,
                             const session::Options& options, const Tolerance& tolerance) {
  SLUICE_ASSIGN(auto graph, session::load_graph(model, options));
  Report report;
  for (const ir::Node& node : graph->nodes()) {
    // A graph of this node alone: known values become its inputs, constants stay constants.
    auto single = std::make_unique<ir::Graph>();
    ir::Node copy{node.domain, node.op, node.name, {}, {}, node.attrs, {}};
    session::NamedValues feeds;
    bool complete = node.subgraphs.empty();
    for (const ir::ValueId id : node.inputs) {
      if (id == ir::kNoValue) {
        copy.inputs.push_back(id);
        continue;
      }
      const ir::ValueInfo& info = graph->value(id);
      const ir::ValueId known = single->find(info.name);
      if (known != ir::kNoValue) {
        copy.inputs.push_back(known);
      } else if (info.constant) {
        copy.inputs.push_back(single->add_constant(info.name, *info.constant));
      } else if (against.has(info.name)) {
        SLUICE_ASSIGN(Tensor tensor, against.load(info.name));
        if (tensor.dtype() != info.type.dtype &&
            dtype_bits(tensor.dtype()) == dtype_bits(info.type.dtype)) {
          tensor = tensor.reinterpreted(info.type.dtype);
        }
        copy.inputs.push_back(
            single->add_input(info.name, Type::tensor(tensor.dtype(), to_dims(tensor.shape()))));
        feeds.emplace_back(info.name, std::move(tensor));
      } else {
        complete = false;
      }
    }
    for (const ir::ValueId id : node.outputs) {
      copy.outputs.push_back(
          id == ir::kNoValue ? id : single->add_value(graph->value(id).name, graph->type(id)));
    }
    const std::vector<ir::ValueId> outputs = copy.outputs;
    single->add_node(std::move(copy));
    for (const ir::ValueId id : outputs) {
      if (id != ir::kNoValue) single->outputs().push_back(id);
    }
    if (!complete) {
      report.unmatched.push_back(node.label());
      continue;
    }
    session::Options one = options;
    one.fuse = true;
    one.outputs.clear();
    SLUICE_ASSIGN(auto session, session::Session::from_graph(std::move(single), node.name, one));
    // What the passes could compute beforehand needs no input any more.
    std::erase_if(feeds, [&](const auto& feed) {
      return std::ranges::find(session->inputs(), feed.first, &session::IoInfo::name) ==
             session->inputs().end();
    });
    SLUICE_ASSIGN(const auto results, session->run(feeds));
    add_binding(report.binding, session->binding());
    for (const auto& [name, value] : results) {
      if (!value.is_tensor()) continue;
      if (!against.has(name)) {
        report.unmatched.push_back(name);
        continue;
      }
      SLUICE_ASSIGN(const Tensor want, against.load(name));
      Check check = compare(value.tensor(), want, tolerance);
      check.name = name;
      check.node = node.name;
      check.op = node.full_op();
      report.checks.push_back(std::move(check));
    }
  }
  return report;
}

}  // namespace sluice::verify
