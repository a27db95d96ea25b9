// What every importer (format::Model -> ir::Graph) is asked for. An imported graph holds ONNX
// operators at the newest opset, is verified, and has been through shape inference.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tensor/dim.h"

namespace sluice::import {

struct ImportOptions {
  // Replaces the declared shape of a graph input, by its name.
  std::map<std::string, Dims, std::less<>> input_shapes;
  // Names of the values wanted; what only others need is dropped. Empty: the model's own outputs.
  // Any value of the model may be named, not only an output.
  std::vector<std::string> outputs;
  // Operators that the registry does not know become nodes without inference instead of one error
  // that lists them all: enough to look at a model, not to run it.
  bool allow_unknown = false;
  // TFLite: the entry point, by signature name or else by subgraph index.
  std::string signature;
  int subgraph = 0;
  // TFLite: state kept between runs (SVDF, LSTM) becomes an extra input and output of the graph,
  // "name" and "name:next". Otherwise every run starts from zero state, as after a reset.
  bool explicit_state = false;
};

}  // namespace sluice::import
