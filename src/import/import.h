// The front of import: format::Model -> ir::Graph in the vocabulary of the newest ONNX opset, typed
// node by node. Knows what operators mean only through the registry; the model is hostile until
// import has succeeded.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/model.h"
#include "ir/graph.h"
#include "op/op.h"
#include "tensor/shape.h"

namespace sluice::import {

struct ImportOptions {
  // Fixes the shape of graph inputs by name. A symbol that one of them resolves is resolved in all.
  std::map<std::string, Shape> input_shapes;
  // Values to compute instead of the model's outputs (any value of the main graph, by name). The
  // graph is pruned to what they need, inputs included.
  std::vector<std::string> outputs;
  // Keeps operators that the registry lacks, as nodes with unknown types: for looking, not running.
  bool allow_unknown = false;
  // TFLite: the entry point, by signature name or else by subgraph index.
  std::string signature;
  int subgraph = 0;
  // TFLite: state kept between runs (SVDF, LSTM) becomes an extra input "name" and output
  // "name:next" of the graph. Otherwise every run starts from zero state, as after a reset.
  bool explicit_state = false;
};

Result<ir::Graph> import_model(const format::Model& model, const op::Registry& registry,
                               const ImportOptions& options = {});

}  // namespace sluice::import
