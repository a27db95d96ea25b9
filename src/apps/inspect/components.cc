// Structure: components from the hierarchy in names, repetitions from the sequence of operators,
// stages of the data flow.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "apps/inspect/parts.h"
#include "base/hash.h"
#include "base/text.h"

namespace sluice::apps::inspect {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;

namespace {

constexpr size_t kMaxDepth = 8;

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "encoder.layer.0.attention.weight" or "/encoder/layer.0/attention/MatMul" without its last part;
// a number belongs to the part before it.
std::vector<std::string> parts_of(std::string_view name) {
  name = name.substr(0, name.find(';'));  // TFLite joins the names of fused operators with ';'
  const char separator = name.find('/') != std::string_view::npos ? '/' : '.';
  std::vector<std::string> out;
  for (std::string& part : split(name, separator)) {
    if (part.empty()) continue;
    if (is_number(part) && !out.empty()) {
      out.back() += "." + part;
    } else {
      out.push_back(std::move(part));
    }
  }
  if (!out.empty()) out.pop_back();
  if (out.size() > kMaxDepth) out.resize(kMaxDepth);
  return out;
}

bool has_hierarchy(std::string_view name) {
  return name.find_first_of("/.") != std::string_view::npos;
}

// TFLite operators have no names; the importer calls them by their place: "12:CONV_2D/Transpose".
bool is_place(std::string_view name) {
  const size_t colon = name.find(':');
  return colon != std::string_view::npos && is_number(name.substr(0, colon));
}

std::vector<std::string> path_of(const Graph& graph, const Node& node) {
  const bool placed = is_place(node.name);
  if (!placed && node.name.find('/') != std::string::npos) return parts_of(node.name);
  const ir::ValueInfo* weight = nullptr;
  for (const ValueId id : node.inputs) {
    if (!graph.is_constant(id) || !has_hierarchy(graph.value(id).name)) continue;
    const ir::ValueInfo& info = graph.value(id);
    if (weight == nullptr || info.constant->size_bytes() > weight->constant->size_bytes())
      weight = &info;
  }
  if (weight != nullptr) return parts_of(weight->name);
  if (!placed && has_hierarchy(node.name)) return parts_of(node.name);
  const ValueId result = node.output(0);
  if (result != kNoValue && graph.value(result).name.find('/') != std::string::npos &&
      !is_place(graph.value(result).name)) {
    return parts_of(graph.value(result).name);
  }
  return {};
}

// The path of every node. A node without one of its own belongs where its neighbour in front does.
std::vector<std::vector<std::string>> all_paths(const Graph& graph) {
  std::vector<std::vector<std::string>> out;
  out.reserve(graph.nodes().size());
  for (const Node& node : graph.nodes()) {
    std::vector<std::string> path = path_of(graph, node);
    if (path.empty() && !out.empty()) path = out.back();
    out.push_back(std::move(path));
  }
  return out;
}

using Counts = std::map<std::string, int64_t>;

std::vector<std::pair<std::string, int64_t>> most_frequent(const Counts& counts) {
  std::vector<std::pair<std::string, int64_t>> out(counts.begin(), counts.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

struct Tree {
  std::string name;
  int64_t nodes = 0, parameters = 0;
  double flops = 0;
  Counts operators;
  uint64_t signature = 0xcbf29ce484222325ull;  // of the operators within, in order
  std::vector<std::unique_ptr<Tree>> children;
  std::unordered_map<std::string, Tree*> by_name;

  Tree& child(const std::string& child_name) {
    Tree*& found = by_name[child_name];
    if (found == nullptr) {
      children.push_back(std::make_unique<Tree>());
      found = children.back().get();
      found->name = child_name;
    }
    return *found;
  }
};

// "layer.11" -> "layer.#".
std::string pattern_of(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool digit = name[i] >= '0' && name[i] <= '9';
    if (!digit) {
      out += name[i];
    } else if (out.empty() || out.back() != '#') {
      out += '#';
    }
  }
  return out;
}

std::vector<Component> to_components(const Tree& tree) {
  std::vector<Component> out;
  std::vector<bool> folded(tree.children.size(), false);
  for (size_t i = 0; i < tree.children.size(); ++i) {
    if (folded[i]) continue;
    const Tree& child = *tree.children[i];
    Component one;
    one.name = child.name;
    one.nodes = child.nodes;
    one.parameters = child.parameters;
    one.flops = child.flops;
    one.operators = most_frequent(child.operators);
    one.children = to_components(child);
    std::vector<std::string> names = {child.name};
    for (size_t j = i + 1; j < tree.children.size(); ++j) {
      const Tree& other = *tree.children[j];
      if (folded[j] || other.signature != child.signature || other.parameters != child.parameters ||
          pattern_of(other.name) != pattern_of(child.name)) {
        continue;
      }
      folded[j] = true;
      ++one.repeats;
      names.push_back(other.name);
    }
    one.name = names.size() <= 3 ? join(names, ", ") : cat(names.front(), " .. ", names.back());
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::vector<Component> find_components(const Graph& graph, const GraphFacts& facts) {
  const auto paths = all_paths(graph);
  Tree root;
  for (size_t n = 0; n < paths.size(); ++n) {
    const Node& node = graph.nodes()[n];
    const std::string op = node.full_op();
    Tree* at = &root;
    for (size_t depth = 0;; ++depth) {
      ++at->nodes;
      at->parameters += facts.parameters[n];
      at->flops += facts.flops[n];
      ++at->operators[op];
      at->signature = fnv1a(std::as_bytes(std::span(op.data(), op.size())), at->signature);
      if (depth == paths[n].size()) break;
      at = &at->child(paths[n][depth]);
    }
  }
  // A prefix that all share ("/model") says nothing.
  const Tree* top = &root;
  while (top->children.size() == 1 && top->children[0]->nodes == top->nodes) {
    top = top->children[0].get();
  }
  // A component per layer tells no more than the list of weights.
  constexpr size_t kFew = 6;
  int64_t layers = 0;
  for (const int64_t parameters : facts.parameters) layers += parameters > 0;
  if (top->children.size() > kFew &&
      static_cast<double>(layers) < 1.5 * static_cast<double>(top->children.size())) {
    return {};
  }
  return to_components(*top);
}

std::vector<Repetition> find_repetitions(const Graph& graph) {
  // Operators as numbers; a tandem repeat of period p shows as a run of seq[i] == seq[i + p].
  std::map<std::string, int> numbers;
  std::vector<int> sequence;
  for (const Node& node : graph.nodes()) {
    const auto [at, added] = numbers.emplace(node.full_op(), static_cast<int>(numbers.size()));
    sequence.push_back(at->second);
  }
  const size_t count = sequence.size();
  constexpr size_t kMaxNodes = 20'000, kMaxPeriod = 400, kMinPeriod = 2;
  std::vector<Repetition> found;
  if (count > kMaxNodes) return found;
  for (size_t period = kMinPeriod; period <= kMaxPeriod && period * 2 <= count; ++period) {
    size_t run = 0;
    for (size_t i = 0; i + period <= count; ++i) {
      if (i + period < count && sequence[i] == sequence[i + period]) {
        ++run;
        continue;
      }
      if (run >= period) {
        Repetition one;
        one.first_node = static_cast<int64_t>(i - run);
        one.period = static_cast<int64_t>(period);
        one.times = static_cast<int64_t>(run / period + 1);
        found.push_back(one);
      }
      run = 0;
    }
  }
  // The longest stretches first; of equal ones the shortest period. What lies within an already
  // chosen stretch is left out, and so is one operator repeated.
  std::stable_sort(found.begin(), found.end(), [](const Repetition& a, const Repetition& b) {
    const int64_t x = a.period * a.times, y = b.period * b.times;
    return x != y ? x > y : a.period < b.period;
  });
  std::vector<bool> covered(count, false);
  std::vector<Repetition> out;
  for (Repetition& one : found) {
    const auto first = static_cast<size_t>(one.first_node);
    const auto length = static_cast<size_t>(one.period * one.times);
    bool fresh = true, varied = false;
    for (size_t i = first; i < first + length; ++i) {
      fresh = fresh && !covered[i];
      varied = varied || sequence[i] != sequence[first];
    }
    if (!fresh || !varied || length < 6) continue;
    for (size_t i = first; i < first + length; ++i) covered[i] = true;
    for (size_t i = first; i < first + static_cast<size_t>(one.period); ++i) {
      if (i - first < 8) one.operators += cat(i == first ? "" : " ", graph.nodes()[i].full_op());
    }
    if (one.period > 8) one.operators += cat(" ... (", one.period, " operators)");
    out.push_back(std::move(one));
    if (out.size() == 12) break;
  }
  std::sort(out.begin(), out.end(),
            [](const Repetition& a, const Repetition& b) { return a.first_node < b.first_node; });
  return out;
}

namespace {

constexpr size_t kMaxStages = 40;

// Names of nodes by component, at the least depth that gives at least six of them, if any does.
std::vector<std::string> keys_by_component(const Graph& graph, const std::vector<size_t>& order) {
  const auto paths = all_paths(graph);
  size_t shared = 0;  // parts that all paths have in common
  for (bool same = !order.empty(); same;) {
    const auto& first = paths[order[0]];
    for (const size_t n : order) {
      same = same && paths[n].size() > shared && paths[n][shared] == first[shared];
    }
    if (same) ++shared;
  }
  std::vector<std::string> best;
  for (size_t depth = shared + 1; depth <= shared + 3; ++depth) {
    std::vector<std::string> keys;
    std::set<std::string> different;
    size_t named = 0;
    for (const size_t n : order) {
      std::string key;
      for (size_t i = shared; i < paths[n].size() && i < depth; ++i) {
        key += cat(key.empty() ? "" : "/", paths[n][i]);
      }
      if (!key.empty()) {
        ++named;
      } else if (!keys.empty()) {
        key = keys.back();
      }
      different.insert(key);
      keys.push_back(std::move(key));
    }
    if (named * 2 < keys.size() || different.size() < 3 || different.size() > kMaxStages) continue;
    best = std::move(keys);
    if (different.size() >= 6) break;
  }
  return best;
}

// Keys by the spatial extent of what a node makes: "64x64" of [1,C,64,64]. The two largest of the
// last three extents tell NCHW from NHWC well enough for a picture's size.
std::vector<std::string> keys_by_resolution(const Graph& graph, const std::vector<size_t>& order) {
  std::vector<std::string> keys;
  for (const size_t n : order) {
    const Node& node = graph.nodes()[n];
    std::string key = keys.empty() ? std::string("start") : keys.back();
    const ValueId id = node.output(0);
    if (id != kNoValue && graph.type(id).has_rank()) {
      const Dims& dims = *graph.type(id).dims;
      if (dims.size() == 4) {
        const bool nhwc = dims[1] == dims[2] && !(dims[2] == dims[3]);
        const Dim &high = dims[nhwc ? 1 : 2], &wide = dims[nhwc ? 2 : 3];
        if (!(high == Dim(1) && wide == Dim(1))) key = cat(high.text(), "x", wide.text());
      } else if (dims.size() == 3) {
        key = cat("sequence of ", dims[1].text());
      } else if (dims.size() == 2) {
        key = "vectors";
      }
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

std::vector<Stage> find_stages(const Graph& graph, const GraphFacts& facts) {
  const size_t count = graph.nodes().size();
  // Nodes that compute from constants alone belong to the stage that reads them first.
  std::vector<bool> depends(count, false);
  std::vector<size_t> order;
  for (size_t n = 0; n < count; ++n) {
    const Node& node = graph.nodes()[n];
    bool on_input = !node.subgraphs.empty() || node.inputs.empty();
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || graph.is_constant(id)) continue;
      const ir::NodeId producer = graph.value(id).producer;
      on_input = on_input || producer == ir::kNoNode || depends[static_cast<size_t>(producer)];
    }
    depends[n] = on_input;
    if (on_input) order.push_back(n);
  }

  // By component, a stage is all of a component's nodes; by resolution, a run of nodes.
  std::vector<std::string> keys = keys_by_component(graph, order);
  const bool by_component = !keys.empty();
  if (!by_component) {
    keys = keys_by_resolution(graph, order);
    // Short excursions belong to what surrounds them.
    for (size_t i = 1; i + 1 < keys.size(); ++i) {
      for (size_t width = 1; width <= 4 && i + width < keys.size(); ++width) {
        if (keys[i] != keys[i - 1] && keys[i + width] == keys[i - 1]) {
          for (size_t k = i; k < i + width; ++k) keys[k] = keys[i - 1];
        }
      }
    }
  }
  std::vector<Stage> stages;
  std::vector<Counts> operators;
  std::map<std::string, int> by_name;
  std::vector<int> stage_of(count, -1);
  for (size_t i = 0; i < order.size(); ++i) {
    const auto found = by_component ? by_name.find(keys[i]) : by_name.end();
    const bool continues = !by_component && i > 0 && keys[i] == keys[i - 1];
    if (found == by_name.end() && !continues) {
      by_name[keys[i]] = static_cast<int>(stages.size());
      stages.emplace_back();
      stages.back().name = keys[i];
      operators.emplace_back();
    }
    stage_of[order[i]] =
        found != by_name.end() ? found->second : static_cast<int>(stages.size()) - 1;
  }
  for (size_t n = count; n-- > 0;) {  // backwards, so that chains of constants follow their reader
    if (stage_of[n] < 0) continue;
    for (const ValueId id : graph.nodes()[n].inputs) {
      if (id == kNoValue || graph.value(id).producer == ir::kNoNode) continue;
      const auto producer = static_cast<size_t>(graph.value(id).producer);
      if (!depends[producer]) stage_of[producer] = stage_of[n];
    }
  }
  for (size_t n = 0; n < count; ++n) {
    if (stage_of[n] < 0) continue;
    Stage& stage = stages[static_cast<size_t>(stage_of[n])];
    const Node& node = graph.nodes()[n];
    ++stage.nodes;
    stage.parameters += facts.parameters[n];
    stage.flops += facts.flops[n];
    ++operators[static_cast<size_t>(stage_of[n])][node.full_op()];
    if (depends[n] && node.output(0) != kNoValue) {
      stage.output = graph.type(node.output(0)).text();
    }
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || graph.is_constant(id)) continue;
      const ir::NodeId producer = graph.value(id).producer;
      const int source = producer == ir::kNoNode ? -1 : stage_of[static_cast<size_t>(producer)];
      if (source == stage_of[n]) continue;
      if (std::find(stage.from.begin(), stage.from.end(), source) == stage.from.end()) {
        stage.from.push_back(source);
      }
    }
  }
  for (size_t s = 0; s < stages.size(); ++s) {
    stages[s].operators = operators_text(most_frequent(operators[s]), 3);
    std::sort(stages[s].from.begin(), stages[s].from.end());
  }
  return stages;
}

}  // namespace sluice::apps::inspect
