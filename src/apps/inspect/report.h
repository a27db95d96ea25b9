// Report: everything `sluice inspect` knows about a model, as plain data; text.h, json.h and html.h
// show it. Counts and sizes are of the file; types, FLOPs and memory are of the imported graph.
// Nothing in it depends on time, place or addresses, so the same file gives the same report.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sluice::apps::inspect {

struct Io {
  std::string name, type;
  std::string hint;  // what it probably is, and how it is prepared or read; may be empty
};

struct OperatorRow {
  std::string name;   // "Conv", "com.microsoft.FusedMatMul", "CONV_2D"
  int64_t count = 0;  // subgraphs and functions included
  double flops = 0;   // of all of them; 0 where it is not known
  std::string note;   // not standard, unknown, a function of the model ...
  bool known = true;
};

struct WeightRow {
  std::string name, dtype, shape;
  std::string quantization;  // "uint8, per tensor, with zero points"; empty when plain
  std::string used_by;       // "Conv /stage1/conv" (the first reader); empty when unused
  uint64_t size_bytes = 0;
  int64_t elements = 0;
  int readers = 0;
};

struct TiedWeights {
  std::vector<std::string> names;    // one name: shared by several readers; more: the same bytes
  std::vector<std::string> readers;  // "Gather /embed", at most a handful
  uint64_t size_bytes = 0;
};

// A part of the model found through its names; the tree follows their hierarchy.
struct Component {
  std::string name;     // last part of the path; "layer.0 .. layer.11" when alike ones are folded
  int64_t repeats = 1;  // how many alike ones the row stands for
  int64_t nodes = 0;    // of one of them
  int64_t parameters = 0;
  double flops = 0;
  std::vector<std::pair<std::string, int64_t>> operators;  // most frequent first
  std::vector<Component> children;
};

// A run of operators that repeats, found in the order of the nodes, whatever their names.
struct Repetition {
  int64_t first_node = 0, period = 0, times = 0;
  std::string operators;  // "Conv Relu Conv Add ..."
};

// One step of the data flow: consecutive nodes of one component or one resolution.
struct Stage {
  std::string name;
  int64_t nodes = 0, parameters = 0;
  double flops = 0;
  std::string operators;  // "12 Conv, 11 Relu"
  std::string output;     // type of its last value
  std::vector<int> from;  // stages it reads; -1 is the model's input
};

struct LimitFinding {
  std::string node;      // label
  std::string sentence;  // what it needs, the limit, and what can be done about it
};

struct Limits {
  std::string source = "WebGPU's guaranteed limits";
  uint64_t storage_buffers_per_stage = 8;
  uint64_t storage_binding_bytes = 134'217'728;
  uint64_t buffer_bytes = 268'435'456;
  uint64_t workgroups_per_dimension = 65'535;
  uint64_t invocations_per_workgroup = 256;
};

struct LimitsFit {
  Limits limits;
  uint64_t most_buffers = 0;  // of one node
  std::string most_buffers_node;
  uint64_t largest_tensor_bytes = 0;
  std::string largest_tensor;
  std::vector<LimitFinding> over;  // in the order of the nodes
  int64_t wide_grids = 0;          // nodes whose flat grid needs a second dimension
};

struct Memory {
  uint64_t weight_bytes = 0;
  uint64_t activation_peak_bytes = 0;  // by liveness: values alive at the worst node
  std::string peak_node;
  uint64_t activation_sum_bytes = 0;  // without any reuse
  int64_t unknown_values = 0;         // left out: size not known before the model runs
  std::string assumption;             // "batch = 1"; empty when all extents are known
};

// What the drawing needs of each node.
struct DrawnNode {
  std::string label, op, attributes,
      kind;  // kind: "compute", "move", "quantize", "control", "other"
  std::vector<std::string> inputs, outputs;  // "name: type"
  std::vector<int> from;                     // nodes whose results it reads; -1 a model input
  double flops = 0;
};

struct Report {
  std::string file, format, sha256;
  uint64_t file_bytes = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<Io> inputs, outputs;
  std::vector<OperatorRow> file_operators;   // as the file names them
  std::vector<OperatorRow> graph_operators;  // as imported; empty when import failed
  std::vector<WeightRow> weights;
  std::vector<std::pair<std::string, uint64_t>> weight_bytes_by_dtype;
  int64_t parameters = 0;
  double flops = 0;
  int64_t nodes_without_cost = 0;         // whose shapes are known only at run time
  std::vector<std::string> quantization;  // sentences
  std::vector<TiedWeights> tied;
  std::vector<Component> components;
  std::vector<Repetition> repetitions;
  std::vector<Stage> stages;
  Memory memory;
  LimitsFit fit;
  std::vector<std::string> notes;  // what needs attention: import trouble, functions, control flow
  std::vector<DrawnNode> drawing;
  bool imported = false;
  // Which graph data flow, components, memory, fit and drawing show; empty: the main one.
  std::string focus;
};

}  // namespace sluice::apps::inspect
