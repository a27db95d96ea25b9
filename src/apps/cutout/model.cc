#include "apps/cutout/model.h"

#include <utility>

#include "base/text.h"

namespace sluice::apps::cutout {

Result<Model> open_model(const Located& located, session::Options options) {
  Model out;
  out.manifest = located.manifest;
  Manifest& manifest = out.manifest;
  if (!located.has_manifest || manifest.input.name.empty() || manifest.output.name.empty()) {
    SLUICE_ASSIGN(const auto graph, session::load_graph(located.path));
    NamedTypes inputs, outputs;
    for (const ir::ValueId id : graph->inputs()) {
      inputs.emplace_back(graph->value(id).name, graph->type(id));
    }
    for (const ir::ValueId id : graph->outputs()) {
      outputs.emplace_back(graph->value(id).name, graph->type(id));
    }
    if (!located.has_manifest) {
      SLUICE_ASSIGN(Guess guess, guess_manifest(inputs, outputs));
      manifest = std::move(guess.manifest);
      out.note = std::move(guess.sentence);
    }
    if (inputs.empty() || outputs.empty()) {
      return invalid_model(cat("The model has ", inputs.size(), " inputs and ", outputs.size(),
                               " outputs (at least one of each is needed)"));
    }
    if (manifest.input.name.empty()) manifest.input.name = inputs[0].first;
    if (manifest.output.name.empty()) manifest.output.name = outputs[0].first;
  }
  const InputSpec& spec = manifest.input;
  options.outputs = {manifest.output.name};
  options.input_shapes[spec.name] = spec.layout == Layout::kNchw
                                        ? Shape{1, 3, spec.height, spec.width}
                                        : Shape{1, spec.height, spec.width, 3};
  SLUICE_ASSIGN(auto loaded, session::Session::load(located.path, options));
  out.session = std::move(loaded);
  DType dtype = DType::kFloat32;
  for (const session::IoInfo& input : out.session->inputs()) {
    if (input.name == spec.name && input.type.is_tensor() &&
        input.type.dtype != DType::kUndefined) {
      dtype = input.type.dtype;
    }
  }
  out.run = [session = out.session, name = spec.name,
             dtype](const Tensor& input) -> Result<Tensor> {
    Tensor fed = input;
    if (dtype != DType::kFloat32) {
      SLUICE_ASSIGN(fed, converted(input, dtype));
    }
    SLUICE_ASSIGN(auto results, session->run({{name, Value(std::move(fed))}}));
    if (results.empty() || !results[0].second.is_tensor()) {
      return invalid_model("The model's output is not a tensor");
    }
    return std::move(results[0].second.tensor());
  };
  return out;
}

}  // namespace sluice::apps::cutout
