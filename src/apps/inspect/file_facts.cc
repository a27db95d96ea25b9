// What can be said from the file alone: operators, weights, ties, quantization.
#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

#include "apps/inspect/parts.h"
#include "base/function_ref.h"
#include "base/hash.h"
#include "base/text.h"

namespace sluice::apps::inspect {

namespace {

using format::GraphDecl;
using format::Model;
using format::NodeDecl;

std::string full_name(const NodeDecl& node) {
  if (node.domain.empty() || node.domain == "ai.onnx" || node.domain.starts_with("tflite")) {
    return node.op;
  }
  return node.domain + "." + node.op;
}

// Every graph of the model, subgraphs of control flow included, each once. Nesting is bounded by
// the readers.
void each_graph(const GraphDecl& graph, FunctionRef<void(const GraphDecl&)> visit) {
  visit(graph);
  for (const NodeDecl& node : graph.nodes) {
    for (const auto& [name, body] : node.subgraphs) {
      if (body) each_graph(*body, visit);
    }
  }
}
void each_graph(const Model& model, FunctionRef<void(const GraphDecl&)> visit) {
  for (const GraphDecl& graph : model.graphs) each_graph(graph, visit);
}

struct Reader {
  std::string op, name;
  const NodeDecl* node = nullptr;
  int input = 0;
};
std::string reader_text(const Reader& reader) {
  return reader.name.empty() || reader.name == reader.op ? reader.op
                                                         : reader.op + " " + reader.name;
}

// Readers of each value name. Names of outer graphs may be read within subgraphs.
using Readers = std::unordered_map<std::string, std::vector<Reader>>;
void collect_readers(const GraphDecl& graph, Readers& out) {
  for (const NodeDecl& node : graph.nodes) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i].empty()) continue;
      const std::string& name = !node.name.empty()      ? node.name
                                : !node.outputs.empty() ? node.outputs[0]
                                                        : node.op;
      out[node.inputs[i]].push_back({full_name(node), name, &node, static_cast<int>(i)});
    }
    for (const auto& [name, body] : node.subgraphs) {
      if (body) collect_readers(*body, out);
    }
  }
}

// Weights of a graph: its initializers and the tensors of its Constant nodes.
void each_weight(const GraphDecl& graph,
                 FunctionRef<void(const std::string&, const Tensor&)> visit) {
  for (const format::TensorDecl& one : graph.initializers) visit(one.name, one.tensor);
  for (const NodeDecl& node : graph.nodes) {
    if (node.op != "Constant" || node.outputs.empty()) continue;
    if (const Tensor* value = node.attrs.tensor("value")) visit(node.outputs[0], *value);
  }
}

bool is_all_zero(const Tensor& tensor) {
  for (const std::byte byte : tensor.bytes()) {
    if (byte != std::byte{0}) return false;
  }
  return true;
}

}  // namespace

bool is_parameter(DType dtype, int64_t elements) {
  if (is_floating(dtype) || is_complex(dtype)) return true;
  if (dtype == DType::kInt64 || dtype == DType::kBool || dtype == DType::kString) return false;
  return elements > 1 && is_integer(dtype);
}

std::vector<OperatorRow> count_operators(const Model& model, const op::Registry& registry) {
  std::map<std::string, OperatorRow> rows;
  const auto add = [&](const NodeDecl& node) {
    OperatorRow& row = rows[full_name(node)];
    row.name = full_name(node);
    ++row.count;
    if (row.count > 1) return;
    if (model.format == format::Format::kTflite) {
      if (node.domain == "tflite.custom")
        row.note = "custom: not one of TFLite's builtin operators";
      return;
    }
    for (const format::FunctionDecl& function : model.functions) {
      if (function.domain == node.domain && function.name == node.op) {
        row.note = cat("a function of the model, ", function.nodes.size(), " nodes");
        return;
      }
    }
    const op::OpDef* def = registry.find(node.domain, node.op);
    if (def == nullptr) {
      row.known = false;
      row.note = "unknown: Sluice has no such operator";
    } else if (!def->nonstandard.empty()) {
      row.note = cat("not in the ONNX standard: ", def->nonstandard);
    }
  };
  each_graph(model, [&](const GraphDecl& graph) {
    for (const NodeDecl& node : graph.nodes) add(node);
  });
  std::vector<OperatorRow> out;
  for (auto& [name, row] : rows) out.push_back(std::move(row));
  std::stable_sort(out.begin(), out.end(),
                   [](const OperatorRow& a, const OperatorRow& b) { return a.count > b.count; });
  return out;
}

namespace {

using Weights = std::unordered_map<std::string, const Tensor*>;

std::string dequantized_text(const Reader& reader, const Tensor& tensor, const Weights& weights) {
  std::string text(dtype_name(tensor.dtype()));
  const NodeDecl& node = *reader.node;
  if (node.inputs.size() < 2) return text + ", DequantizeLinear";
  const int64_t block = node.attrs.int_or("block_size", 0);
  const auto scale = weights.find(node.inputs[1]);
  if (block > 0) {
    text += cat(", blocks of ", block, " along axis ", node.attrs.int_or("axis", 1));
  } else if (scale != weights.end() && scale->second->elements() > 1) {
    text += cat(", per channel (axis ", node.attrs.int_or("axis", 1), ")");
  } else {
    text += ", per tensor";
  }
  const auto zero = node.inputs.size() > 2 ? weights.find(node.inputs[2]) : weights.end();
  const bool symmetric = node.inputs.size() < 3 || node.inputs[2].empty() ||
                         (zero != weights.end() && is_all_zero(*zero->second));
  return text + (symmetric ? ", symmetric" : ", with zero points");
}

std::string declared_text(const format::QuantizationDecl& declared, const Tensor& tensor) {
  std::string text(dtype_name(tensor.dtype()));
  if (declared.block_size > 0) {
    text += cat(", blocks of ", declared.block_size);
  } else if (declared.scales.size() > 1) {
    text += cat(", per channel (axis ", declared.axis, ")");
  } else {
    text += ", per tensor";
  }
  bool symmetric = true;
  for (const int64_t zero : declared.zero_points) symmetric = symmetric && zero == 0;
  return text + (symmetric ? ", symmetric" : ", with zero points");
}

// Operators that take quantized weights as they are.
bool takes_integers(std::string_view op) {
  for (const std::string_view part :
       {"ConvInteger", "MatMulInteger", "QLinear", "QGemm", "DynamicQuantize", "MatMulNBits",
        "GatherBlockQuantized", "QAttention"}) {
    if (op.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::vector<WeightRow> list_weights(const Model& model) {
  std::vector<WeightRow> out;
  each_graph(model, [&](const GraphDecl& graph) {
    Readers readers;
    collect_readers(graph, readers);
    Weights weights;
    each_weight(graph, [&](const std::string& name, const Tensor& tensor) {
      weights.emplace(name, &tensor);
    });
    std::unordered_map<std::string, const format::QuantizationDecl*> declared;
    for (const auto& [name, one] : graph.quantization) declared.emplace(name, &one);
    each_weight(graph, [&](const std::string& name, const Tensor& tensor) {
      WeightRow row;
      row.name = name;
      row.dtype = std::string(dtype_name(tensor.dtype()));
      row.shape = tensor.shape().text();
      row.elements = tensor.elements();
      row.size_bytes = tensor.size_bytes();
      if (const auto found = declared.find(name); found != declared.end()) {
        row.quantization = declared_text(*found->second, tensor);
      }
      if (const auto found = readers.find(name); found != readers.end()) {
        row.readers = static_cast<int>(found->second.size());
        row.used_by = reader_text(found->second[0]);
        for (const Reader& reader : found->second) {
          if (!row.quantization.empty()) break;
          if (reader.node->op == "DequantizeLinear" && reader.input == 0) {
            row.quantization = dequantized_text(reader, tensor, weights);
          } else if (takes_integers(reader.op) && is_integer(tensor.dtype()) &&
                     tensor.elements() > 1) {
            row.quantization = cat(row.dtype, ", as ", reader.op, " takes it");
          }
        }
      }
      out.push_back(std::move(row));
    });
  });
  return out;
}

std::vector<TiedWeights> find_tied(const Model& model) {
  // Below this a shared or repeated tensor is a constant like 0.5, not a tied weight.
  constexpr size_t kSmallestBytes = 1024;
  struct Entry {
    std::string name;
    const Tensor* tensor;
    std::vector<Reader> readers;
    bool listed = false;
  };
  std::vector<Entry> entries;
  std::map<uint64_t, std::vector<size_t>> by_hash;
  each_graph(model, [&](const GraphDecl& graph) {
    Readers readers;
    collect_readers(graph, readers);
    each_weight(graph, [&](const std::string& name, const Tensor& tensor) {
      if (tensor.size_bytes() < kSmallestBytes || tensor.dtype() == DType::kString) return;
      by_hash[fnv1a(tensor.bytes())].push_back(entries.size());
      entries.push_back({name, &tensor, readers[name]});
    });
  });
  std::vector<TiedWeights> out;
  const auto describe = [](const std::vector<Reader>& readers, std::vector<std::string>& to) {
    for (const Reader& reader : readers) {
      if (to.size() < 6) to.push_back(reader_text(reader));
    }
  };
  for (const auto& [hash, members] : by_hash) {
    for (const size_t i : members) {
      if (entries[i].listed) continue;
      const auto bytes = entries[i].tensor->bytes();
      TiedWeights tied;
      tied.size_bytes = bytes.size();
      for (const size_t j : members) {
        const auto other = entries[j].tensor->bytes();
        const bool equal = other.size() == bytes.size() &&
                           entries[j].tensor->dtype() == entries[i].tensor->dtype() &&
                           std::memcmp(other.data(), bytes.data(), bytes.size()) == 0;
        // Equal bytes say nothing where a fill value explains them.
        if (j != i && (entries[j].listed || !equal || is_all_zero(*entries[j].tensor))) continue;
        entries[j].listed = true;
        tied.names.push_back(entries[j].name);
        describe(entries[j].readers, tied.readers);
      }
      if (tied.names.size() > 1 || entries[i].readers.size() > 1) out.push_back(std::move(tied));
    }
  }
  std::sort(out.begin(), out.end(), [](const TiedWeights& a, const TiedWeights& b) {
    return a.size_bytes != b.size_bytes ? a.size_bytes > b.size_bytes : a.names < b.names;
  });
  return out;
}

std::vector<std::string> describe_quantization(const Model& model,
                                               const std::vector<OperatorRow>& operators,
                                               const std::vector<WeightRow>& weights) {
  const auto count = [&](std::string_view name) {
    int64_t sum = 0;
    for (const OperatorRow& row : operators) {
      if (row.name == name || row.name == cat("com.microsoft.", name)) sum += row.count;
    }
    return sum;
  };
  std::map<std::string, std::pair<int64_t, uint64_t>> by_dtype;
  std::map<std::string, int64_t> schemes;
  uint64_t all = 0;
  for (const WeightRow& row : weights) {
    const auto dtype = dtype_from_name(row.dtype);
    if (!dtype || !is_parameter(*dtype, row.elements)) continue;
    auto& [tensors, bytes] = by_dtype[row.dtype];
    ++tensors;
    bytes += row.size_bytes;
    all += row.size_bytes;
    if (!row.quantization.empty()) ++schemes[row.quantization];
  }
  std::vector<std::string> out;
  if (by_dtype.empty()) return {"The model has no weights."};
  std::string mix;
  for (const auto& [dtype, sizes] : by_dtype) {
    mix += cat(mix.empty() ? "" : ", ", human_bytes(sizes.second), " ", dtype, " in ", sizes.first,
               sizes.first == 1 ? " tensor" : " tensors");
  }
  out.push_back(cat("Weights: ", mix, "."));
  const auto share = [&](std::string_view dtype) {
    const auto found = by_dtype.find(std::string(dtype));
    return found == by_dtype.end() || all == 0
               ? 0.0
               : static_cast<double>(found->second.second) / static_cast<double>(all);
  };
  const size_t before = out.size();
  if (count("DynamicQuantizeLinear") > 0) {
    out.push_back(cat("Dynamic quantization: ", count("DynamicQuantizeLinear"),
                      " DynamicQuantizeLinear turn activations into uint8 over a range measured at "
                      "run time; ",
                      count("ConvInteger"), " ConvInteger and ", count("MatMulInteger"),
                      " MatMulInteger compute in integers."));
  }
  if (count("DynamicQuantizeLSTM") + count("DynamicQuantizeMatMul") > 0) {
    out.push_back(cat("Dynamic quantization inside operators: ", count("DynamicQuantizeLSTM"),
                      " DynamicQuantizeLSTM, ", count("DynamicQuantizeMatMul"),
                      " DynamicQuantizeMatMul."));
  }
  if (count("QuantizeLinear") > 0) {
    out.push_back(cat("Static quantization as QDQ: ", count("QuantizeLinear"),
                      " QuantizeLinear and ", count("DequantizeLinear"),
                      " DequantizeLinear around float operators; the ranges are in the file."));
  } else if (count("DequantizeLinear") > 0) {
    out.push_back(cat("Weights only: ", count("DequantizeLinear"),
                      " DequantizeLinear; activations stay in floating point."));
  }
  if (count("QLinearConv") + count("QLinearMatMul") > 0) {
    out.push_back(cat("Static quantization in integer operators: ", count("QLinearConv"),
                      " QLinearConv, ", count("QLinearMatMul"), " QLinearMatMul."));
  }
  if (count("MatMulNBits") > 0) {
    out.push_back(
        cat("Weights packed in blocks of few bits: ", count("MatMulNBits"), " MatMulNBits."));
  }
  if (model.format == format::Format::kTflite) {
    if (count("DEQUANTIZE") > 0 && share("float16") > 0.3) {
      out.push_back(cat("Weights are stored as float16 and widened by ", count("DEQUANTIZE"),
                        " DEQUANTIZE; computation is float32."));
    } else if (share("int8") + share("uint8") + share("int4") > 0.3) {
      bool float_input = false;
      if (!model.graphs.empty()) {
        for (const format::ValueDecl& input : model.graphs[0].inputs) {
          float_input = float_input || input.type.dtype == DType::kFloat32;
        }
      }
      out.push_back(cat("TFLite integer quantization: ", count("QUANTIZE"), " QUANTIZE, ",
                        count("DEQUANTIZE"), " DEQUANTIZE; the model's input is ",
                        float_input ? "floating point." : "quantized too."));
    }
  }
  if (out.size() == before) {
    out.emplace_back(share("float16") > 0.5    ? "Not quantized: float16 weights and arithmetic."
                     : share("bfloat16") > 0.5 ? "Not quantized: bfloat16 weights."
                                               : "Not quantized.");
  }
  for (const auto& [scheme, tensors] : schemes) {
    out.push_back(cat(tensors, tensors == 1 ? " weight: " : " weights: ", scheme, "."));
  }
  return out;
}

}  // namespace sluice::apps::inspect
