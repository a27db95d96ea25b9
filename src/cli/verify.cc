// sluice verify: every value of a run against reference activations, and where it first goes wrong.
#include "verify/verify.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/feeds.h"

namespace sluice::cli {

namespace {

struct Args {
  std::string model, against;
  std::vector<std::string> inputs, shapes, outputs;
  verify::Tolerance tolerance;
  BackendOptions backend;
  bool layers = false, json = false;
};

Json to_json(const verify::Check& check) {
  Json out;
  out["name"] = check.name;
  out["node"] = check.node;
  out["op"] = check.op;
  out["type"] = check.type.text();
  out["ok"] = check.ok();
  out["wrong"] = check.wrong;
  out["max_abs"] = check.max_abs;
  out["max_rel"] = check.max_rel;
  out["nmse"] = check.nmse;
  out["non_finite"] = check.non_finite;
  if (!check.problem.empty()) out["problem"] = check.problem;
  if (check.first_wrong >= 0) {
    out["first_wrong"] = {{"index", check.first_wrong}, {"got", check.got}, {"want", check.want}};
  }
  return out;
}

void print_failure(const verify::Report& report) {
  const verify::Check& c = report.checks[static_cast<size_t>(report.first_failure())];
  std::printf("first failure: %s, made by node %s (%s)\n", sluice::quoted(c.name).c_str(),
              sluice::quoted(c.node).c_str(), c.op.c_str());
  if (!c.problem.empty()) {
    std::printf("  it %s\n", c.problem.c_str());
    return;
  }
  std::printf(
      "  %lld of %lld elements outside the tolerance, the first at %lld: %.9g (%.9g is expected)\n",
      static_cast<long long>(c.wrong), static_cast<long long>(c.elements),
      static_cast<long long>(c.first_wrong), c.got, c.want);
  std::printf("  largest error %.3g, largest relative error %.3g, NMSE %.3g, not finite %lld\n",
              c.max_abs, c.max_rel, c.nmse, static_cast<long long>(c.non_finite));
  std::printf("  %s\n",
              report.failure_inherited
                  ? "an input of this node was wrong already"
                  : "all inputs of this node that were checked agree: the node itself is at fault");
  std::printf("  %-6s %16s %16s\n", "index", "run", "reference");
  for (size_t i = 0; i < c.first_got.size(); ++i) {
    std::printf("  %-6zu %16.9g %16.9g\n", i, c.first_got[i], c.first_want[i]);
  }
}

// What the device was asked to do, and what it was not asked to do.
void print_device(const session::Binding& binding) {
  std::printf(
      "%d dispatches on %s; no dispatch binds more than %u storage buffers, largest binding %s "
      "bytes\n",
      binding.plan.dispatches,
      binding.adapter.description.empty() ? sluice::quoted(binding.adapter.device).c_str()
                                          : sluice::quoted(binding.adapter.description).c_str(),
      binding.plan.most_storage_buffers,
      std::to_string(binding.plan.largest_binding_bytes).c_str());
  std::printf("islands on the CPU: %zu\n", binding.islands.size());
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < std::min(kShown, binding.islands.size()); ++i) {
    const session::Island& island = binding.islands[i];
    std::printf("  %s %s: %s\n", sluice::quoted(island.op).c_str(),
                sluice::quoted(island.node).c_str(), island.reason.c_str());
  }
}

Result<int> run(const Args& args) {
  SLUICE_ASSIGN(session::Options options, args.backend.parse());
  SLUICE_TRY(parse_shapes(args.shapes, options));
  options.outputs = args.outputs;
  verify::Report report;
  if (args.against == "reference") {
    SLUICE_ASSIGN(auto probe, session::Session::load(args.model, options));
    SLUICE_ASSIGN(const auto feeds, make_feeds(probe->inputs(), args.inputs, options));
    SLUICE_ASSIGN(report, verify::verify_reference(args.model, feeds, options, args.tolerance));
  } else {
    SLUICE_ASSIGN(const auto activations, verify::Activations::open(args.against));
    if (args.layers) {
      SLUICE_ASSIGN(report,
                    verify::verify_layers(args.model, activations, options, args.tolerance));
    } else {
      SLUICE_ASSIGN(report, verify::verify_run(args.model, activations, options, args.tolerance));
    }
  }
  int wrong = 0;
  double worst_nmse = 0;
  for (const auto& check : report.checks) {
    wrong += check.ok() ? 0 : 1;
    worst_nmse = std::max(worst_nmse, check.nmse);
  }
  if (args.json) {
    Json out;
    out["model"] = std::filesystem::path(args.model).filename().string();
    out["checked"] = report.checks.size();
    out["wrong"] = wrong;
    out["unmatched"] = report.unmatched.size();
    out["worst_nmse"] = worst_nmse;
    if (report.binding.runs > 0) {
      out["binding"] = parse_json(report.binding.to_json());
    }
    for (const auto& check : report.checks) out["values"].push_back(to_json(check));
    std::printf("%s\n", json_text(out, 1).c_str());
  } else {
    if (wrong != 0) print_failure(report);
    std::printf(
        "%zu values checked, %d wrong, %zu without a counterpart; worst NMSE %.3g (atol %g, rtol "
        "%g)\n",
        report.checks.size(), wrong, report.unmatched.size(), worst_nmse, args.tolerance.atol,
        args.tolerance.rtol);
    if (report.binding.bound == session::Backend::kWebGpu) print_device(report.binding);
  }
  // Right numbers from the wrong place are no answer.
  if (const std::string elsewhere = report.not_where_asked(); !elsewhere.empty()) {
    std::fflush(stdout);
    std::fprintf(stderr, "sluice: %s\n", elsewhere.c_str());
    return kNo;
  }
  if (report.checks.empty())
    return usage_error("No value of the run has a counterpart in the reference");
  return wrong == 0 ? kOk : kNo;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<Args>();
  CLI::App* sub =
      app.add_subcommand("verify", "hold every value of a run against reference activations");
  sub->add_option("model", args->model, "model file (.onnx, .tflite)")->required();
  sub->add_option("--against", args->against, "folder of a dump, or 'reference'")->required();
  sub->add_option("--input,-i", args->inputs,
                  "with --against reference: NAME=FILE.npy | random:SEED | a number");
  sub->add_option("--shape", args->shapes, "NAME=1x3x224x224: fixes an input's shape");
  sub->add_option("--output,-o", args->outputs, "only what these values need");
  sub->add_option("--atol", args->tolerance.atol, "absolute tolerance")->capture_default_str();
  sub->add_option("--rtol", args->tolerance.rtol, "tolerance relative to the reference value")
      ->capture_default_str();
  sub->add_flag("--layers", args->layers, "run every node by itself on the reference's own inputs");
  sub->add_flag("--json", args->json, "every value as JSON");
  args->backend.add_to(*sub);
  sub->callback([args, &exit_code] {
    auto done = run(*args);
    exit_code = done ? *done : report(done.error());
  });
}

}  // namespace sluice::cli
