// sluice inspect: what is in a model, before any of it runs.
#include "apps/inspect/inspect.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/inspect/html.h"
#include "apps/inspect/text.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "import/import.h"
#include "ops/registry.h"
#include "session/session.h"

namespace sluice::cli {

namespace {

namespace look = apps::inspect;

struct InspectArgs {
  std::vector<std::string> models, shapes;
  std::string html, limits = "guaranteed";
  bool json = false, all_weights = false;
};

Result<look::Limits> limits_of(const std::string& text) {
  if (text == "guaranteed") return look::Limits{};
  if (text == "adapter") {
    return Error{ErrorCode::kDevice, "This build has no WebGPU adapter to ask for its limits",
                 "use --limits guaranteed or a JSON file"};
  }
  SLUICE_ASSIGN(const std::string json, read_file(text, size_t{1} << 20));
  return look::parse_limits(json, text);
}

int inspect_one(const InspectArgs& args, const std::string& path, const look::Limits& limits) {
  auto file = MappedFile::open(path);
  if (!file) return report(file.error());
  auto model = session::read_model(*file);
  if (!model) return report(model.error());
  session::Options options;
  if (auto parsed = parse_shapes(args.shapes, options); !parsed) return report(parsed.error());
  import::ImportOptions how;
  how.input_shapes = options.input_shapes;
  how.allow_unknown = true;
  auto graph = import::import_model(*model, ops::registry(), how);

  look::Subject subject;
  subject.path = path;
  subject.bytes = (*file)->bytes();
  subject.model = &*model;
  if (graph) {
    subject.graph = &*graph;
  } else {
    subject.import_error = graph.error().text();
  }
  Result<ir::Graph> sized = internal_error("not needed");
  if (graph) {
    bool symbolic = false;
    for (const ir::ValueId id : graph->inputs()) {
      const Type& type = graph->type(id);
      if (!type.has_rank() || type.dims->size() > kMaxRank) continue;
      Shape shape;
      for (const Dim& dim : *type.dims) {
        symbolic = symbolic || !dim.is_known();
        shape.push_back(dim.is_known() ? dim.value() : 1);
      }
      how.input_shapes[graph->value(id).name] = shape;
    }
    if (symbolic) sized = import::import_model(*model, ops::registry(), how);
    if (sized) subject.sized = &*sized;
  }
  const look::Report result = look::inspect(subject, ops::registry(), limits);
  if (!args.html.empty()) {
    if (auto written = write_file_atomic(args.html, std::string_view(look::to_html(result)));
        !written) {
      return report(written.error());
    }
  }
  const std::string text =
      args.json ? look::to_json(result) : look::to_text(result, {args.all_weights});
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!args.html.empty() && !args.json)
    std::printf("\nThe graph is drawn in %s\n", args.html.c_str());
  return kOk;
}

int run_inspect(const InspectArgs& args) {
  auto limits = limits_of(args.limits);
  if (!limits) return report(limits.error());
  if (args.models.size() > 1 && (args.json || !args.html.empty())) {
    return report(usage_error("--json and --html take one model at a time"));
  }
  int worst = kOk;
  for (size_t i = 0; i < args.models.size(); ++i) {
    if (i > 0) std::printf("\n%s\n\n", std::string(72, '=').c_str());
    const int code = inspect_one(args, args.models[i], *limits);
    if (code > worst) worst = code;
  }
  return worst;
}

}  // namespace

void add_inspect(CLI::App& app, int& exit_code) {
  auto args = std::make_shared<InspectArgs>();
  CLI::App* command = app.add_subcommand("inspect", "show what is in a model and what it needs");
  command->add_option("model", args->models, "model files (.onnx, .tflite)")->required();
  command->add_flag("--json", args->json, "the whole report as JSON");
  command->add_option("--html", args->html, "draw the graph into this self-contained page");
  command
      ->add_option("--limits", args->limits, "guaranteed, adapter, or a JSON file of WebGPU limits")
      ->capture_default_str();
  command->add_option("--shape", args->shapes, "NAME=1x3x224x224: fixes an input's shape");
  command->add_flag("--weights", args->all_weights, "list every weight, in file order");
  command->callback([args, &exit_code] { exit_code = run_inspect(*args); });
}

}  // namespace sluice::cli
