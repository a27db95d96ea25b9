// The pieces of a report, each from the graph or the file alone; private to this room.
#pragma once

#include <string>
#include <vector>

#include "apps/inspect/report.h"
#include "format/model.h"
#include "ir/graph.h"
#include "op/op.h"

namespace sluice::apps::inspect {

// Facts of the graph that several parts need, one entry per node or value.
struct GraphFacts {
  std::vector<double> flops;          // per node, subgraphs not included
  std::vector<int64_t> parameters;    // per node: of the weights it is the first to read
  std::vector<uint64_t> value_bytes;  // per value; 0 when not known
  std::vector<bool> value_known;
  std::vector<ir::ValueId> root;     // the value whose memory a view shares; itself otherwise
  std::vector<std::string> assumed;  // symbols that were set to 1
  int64_t nodes_without_cost = 0;    // that would have one if their shapes were known
};
GraphFacts gather_facts(const ir::Graph& graph, const op::Registry& registry);

// True for weights in the usual sense: not shapes, axes and other small integers.
bool is_parameter(DType dtype, int64_t elements);

std::vector<Component> find_components(const ir::Graph& graph, const GraphFacts& facts);
std::vector<Repetition> find_repetitions(const ir::Graph& graph);
std::vector<Stage> find_stages(const ir::Graph& graph, const GraphFacts& facts);
Memory measure_memory(const ir::Graph& graph, const GraphFacts& facts);
LimitsFit fit_limits(const ir::Graph& graph, const GraphFacts& facts, const Limits& limits);
std::vector<DrawnNode> draw_nodes(const ir::Graph& graph, const GraphFacts& facts);

// Hints for inputs and outputs, in order.
std::vector<std::string> input_hints(const ir::Graph& graph);
std::vector<std::string> output_hints(const ir::Graph& graph);

// The file's side.
std::vector<OperatorRow> count_operators(const format::Model& model, const op::Registry& registry);
std::vector<WeightRow> list_weights(const format::Model& model);
std::vector<TiedWeights> find_tied(const format::Model& model);
std::vector<std::string> describe_quantization(const format::Model& model,
                                               const std::vector<OperatorRow>& operators,
                                               const std::vector<WeightRow>& weights);

// "12 Conv, 11 Relu" of (name, count) pairs, cut after `most`.
std::string operators_text(const std::vector<std::pair<std::string, int64_t>>& counts, size_t most);
std::string flops_text(double flops);   // "1.2 GFLOP"
std::string count_text(int64_t count);  // "3.4 M"
// The name as it may stand in a line of text: control characters escaped, no quotes.
std::string plain(std::string_view name, size_t limit = 60);

}  // namespace sluice::apps::inspect
