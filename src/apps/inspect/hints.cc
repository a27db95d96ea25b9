// Guesses about what goes in and comes out, each worded as one.
#include <algorithm>
#include <cmath>
#include <string>

#include "apps/inspect/parts.h"
#include "base/text.h"

namespace sluice::apps::inspect {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}
bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::vector<const Node*> readers_of(const Graph& graph, ValueId id) {
  std::vector<const Node*> out;
  for (const Node& node : graph.nodes()) {
    if (std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end())
      out.push_back(&node);
  }
  return out;
}

// A one-element or per-channel constant operand of a binary node, as text; empty when there is
// none.
std::string constant_operand(const Graph& graph, const Node& node) {
  for (const ValueId id : node.inputs) {
    if (!graph.is_constant(id)) continue;
    const Tensor& tensor = *graph.value(id).constant;
    if (tensor.elements() < 1 || tensor.elements() > 4 || tensor.dtype() == DType::kString)
      continue;
    std::string out;
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      out += cat(out.empty() ? "" : ", ", tensor.get_double(i));
    }
    return out;
  }
  return {};
}

// What the graph itself does to its input before anything else: "- 0.5, / 0.25".
std::string own_normalisation(const Graph& graph, ValueId input) {
  std::string out;
  ValueId at = input;
  for (int step = 0; step < 6; ++step) {
    const auto readers = readers_of(graph, at);
    if (readers.size() != 1) break;
    const Node& node = *readers[0];
    if (node.op == "Sub" || node.op == "Div" || node.op == "Mul" || node.op == "Add") {
      const std::string operand = constant_operand(graph, node);
      if (operand.empty()) break;
      const char* sign = node.op == "Sub"   ? "-"
                         : node.op == "Div" ? "/"
                         : node.op == "Mul" ? "*"
                                            : "+";
      out += cat(out.empty() ? "" : ", ", sign, " ", operand);
    } else if (node.op != "Transpose" && node.op != "Cast" && node.op != "Identity") {
      break;
    }
    at = node.output(0);
    if (at == kNoValue) break;
  }
  return out;
}

bool side_like(const Dim& dim) { return !dim.is_known() || dim.value() >= 16; }
bool is_channels(const Dim& dim) { return dim == Dim(1) || dim == Dim(3) || dim == Dim(4); }

std::string size_text(const Dim& width, const Dim& height) {
  if (width.is_known() && height.is_known()) return cat(width.text(), "x", height.text());
  return cat("any size (", width.text(), " wide, ", height.text(), " high)");
}

std::string input_hint(const Graph& graph, ValueId id) {
  const ir::ValueInfo& info = graph.value(id);
  const Type& type = info.type;
  if (!type.has_rank()) return {};
  const Dims& dims = *type.dims;
  const std::string name = lower(info.name);
  const bool integers = type.dtype == DType::kInt64 || type.dtype == DType::kInt32;
  if (integers) {
    for (const Node* reader : readers_of(graph, id)) {
      if (reader->op != "Gather" || reader->input(1) != id || !graph.is_constant(reader->input(0)))
        continue;
      const Shape& table = graph.value(reader->input(0)).constant->shape();
      if (table.rank() == 2 && table[0] > 16) {
        return cat("token ids, 0 to ", table[0] - 1, ", looked up in an embedding of ", table[1],
                   " features: needs the tokenizer the model was trained with");
      }
    }
    if (has(name, "mask")) return "a mask, 1 where a token counts";
    if (name == "sr" || has(name, "sample_rate")) return "the sample rate in hertz";
    if (has(name, "input_ids") || has(name, "token"))
      return "token ids: needs the model's tokenizer";
    return {};
  }
  const bool pixels =
      is_floating(type.dtype) || type.dtype == DType::kUInt8 || type.dtype == DType::kInt8;
  if (dims.size() == 4 && pixels) {
    const bool nchw = is_channels(dims[1]) && side_like(dims[2]) && side_like(dims[3]);
    const bool nhwc = is_channels(dims[3]) && side_like(dims[1]) && side_like(dims[2]);
    if (nchw || nhwc) {
      const Dim& channels = nchw ? dims[1] : dims[3];
      std::string out = cat("a picture, ", nchw ? "NCHW" : "NHWC", ", ",
                            nchw ? size_text(dims[3], dims[2]) : size_text(dims[2], dims[1]), ", ",
                            channels == Dim(1)   ? "grey"
                            : channels == Dim(3) ? "three colours (order not stated, usually RGB)"
                                                 : "four channels");
      if (type.dtype == DType::kUInt8) return out + "; bytes 0 to 255 as they are";
      if (type.dtype == DType::kInt8) return out + "; quantized, usually pixel - 128";
      const std::string own = own_normalisation(graph, id);
      if (!own.empty()) return out + cat("; the graph normalises by itself: ", own);
      return out + (nchw ? "; the graph does not normalise: usually (x / 255 - mean) / deviation"
                         : "; the graph does not normalise: usually x / 255, or x / 127.5 - 1");
    }
  }
  if (has(name, "mel") || has(name, "spectrogram")) return "a spectrogram";
  if (has(name, "audio") || has(name, "wave") || has(name, "pcm"))
    return "sound samples, usually from -1 to 1";
  if (name == "h" || name == "c" || name == "state" || has(name, "hidden") ||
      has(name, "past_key")) {
    return "state carried from the run before; zeros at the start";
  }
  if (dims.size() == 2 && is_floating(type.dtype) && dims[1].is_known() && dims[1].value() >= 256) {
    return cat("a vector of ", dims[1].text(), " numbers; sound samples, perhaps");
  }
  return {};
}

std::string output_hint(const Graph& graph, ValueId id) {
  const ir::ValueInfo& info = graph.value(id);
  const Type& type = info.type;
  const Node* maker = info.producer == ir::kNoNode ? nullptr : &graph.node(info.producer);
  // Past what only moves or converts.
  for (int step = 0; step < 4 && maker != nullptr; ++step) {
    const bool passes = maker->op == "Identity" || maker->op == "Cast" ||
                        maker->op == "Transpose" || maker->op == "Reshape" ||
                        maker->op == "Squeeze" || maker->op == "Resize" ||
                        maker->op == "DequantizeLinear" || maker->op == "QuantizeLinear";
    if (!passes || maker->input(0) == kNoValue) break;
    const ir::NodeId producer = graph.value(maker->input(0)).producer;
    maker = producer == ir::kNoNode ? nullptr : &graph.node(producer);
  }
  const std::string op = maker == nullptr ? std::string() : maker->op;
  const bool sigmoid = op == "Sigmoid" || op == "Clip" || op == "HardSigmoid";
  if (type.has_rank() && type.dims->size() == 4) {
    const Dims& dims = *type.dims;
    const bool one_first = dims[1] == Dim(1) && side_like(dims[2]);
    const bool one_last = dims[3] == Dim(1) && side_like(dims[1]);
    if (one_first || one_last) {
      return op == "Sigmoid" ? "a map of one channel from 0 to 1: a mask or alpha matte"
             : sigmoid       ? "a map of one channel within fixed bounds: a mask, perhaps"
                       : "a map of one channel; without a final sigmoid, logits or depth, perhaps";
    }
    if ((dims[1] == Dim(2) && side_like(dims[2])) || (dims[3] == Dim(2) && side_like(dims[1]))) {
      return op == "Softmax" ? "two classes per pixel, as probabilities"
                             : "two classes per pixel, as logits";
    }
    if (dims[1] == Dim(3) && side_like(dims[2])) return "a picture";
  }
  if (op == "Softmax") return "probabilities that sum to 1";
  if (op == "LogSoftmax") return "logarithms of probabilities";
  if (op == "ArgMax") return "the index of the best class";
  if (op == "Sigmoid") return "independent probabilities from 0 to 1";
  if (op == "Tanh") return "values from -1 to 1";
  if (type.has_rank() && type.dims->size() == 2 && type.dims->back().is_known() &&
      type.dims->back().value() >= 10 && (op == "Gemm" || op == "MatMul" || op == "Add")) {
    return cat("scores of ", type.dims->back().text(), " classes (logits), or an embedding");
  }
  return {};
}

}  // namespace

std::vector<std::string> input_hints(const Graph& graph) {
  std::vector<std::string> out;
  for (const ValueId id : graph.inputs()) out.push_back(input_hint(graph, id));
  return out;
}

std::vector<std::string> output_hints(const Graph& graph) {
  std::vector<std::string> out;
  for (const ValueId id : graph.outputs()) out.push_back(output_hint(graph, id));
  return out;
}

}  // namespace sluice::apps::inspect
