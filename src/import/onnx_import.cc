#include "import/onnx_import.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/checked.h"
#include "base/text.h"
#include "format/caps.h"
#include "ir/verify.h"

namespace sluice::import {

namespace {

namespace caps = format::caps;
using format::FunctionDecl;
using format::GraphDecl;
using format::NodeDecl;
using format::ValueDecl;

using Opsets = std::vector<std::pair<std::string, int64_t>>;

constexpr int64_t kOldestOpset = 1, kNewestOpset = 28;
constexpr int64_t kNoOpset = -1;
std::string_view plain_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

std::string_view shown_domain(std::string_view domain) {
  return domain.empty() ? "ai.onnx" : domain;
}

int64_t opset_in(const Opsets& opsets, std::string_view domain) {
  int64_t version = kNoOpset;
  for (const auto& [name, number] : opsets) {
    if (plain_domain(name) == domain) version = std::max(version, number);
  }
  return version;
}

std::string full_op(const NodeDecl& node) {
  const std::string_view domain = plain_domain(node.domain);
  return domain.empty() ? node.op : cat(domain, ".", node.op);
}

std::string label(const NodeDecl& node) {
  std::string_view name = node.name;
  if (name.empty() && !node.outputs.empty()) name = node.outputs[0];
  return cat("node ", quoted(name), " (", quoted(full_op(node)), ")");
}

// Names of ONNX's own attributes by kind. A name means the same kind in every operator and opset;
// the few that don't (p, seed, to, value ...) are left to the operators. Names stand between
// spaces.
constexpr std::string_view kIntAttributes =
    " align_corners allowzero antialias axis batch_axis batch_dims block_size blocksize "
    "broadcast ceil_mode center_point_box chunk_size count_include_pad detect_negative "
    "detect_positive dtype end exclude_outside exclusive fmod group hidden_size ignore_index "
    "input_forget interleaved inverse is_case_sensitive is_causal is_test k keepdims "
    "kv_num_heads largest layout left_window_size linear_before_reset max_gram_length "
    "max_skip_count maxsplit min_gram_length new_axis noop_with_empty_axes num_groups "
    "num_heads num_outputs num_scan_inputs offset_group onesided output_datatype output_dtype "
    "output_height output_sequence output_width periodic precision q_num_heads "
    "qk_matmul_output_mode reverse right_window_size rotary_embedding_dim sample_size "
    "sampling_ratio saturate select_last_index size softmax_precision sorted spatial start "
    "stash_type storage_order time_axis training_mode transA transB upper ";
constexpr std::string_view kFloatAttributes =
    " alpha beta clip cubic_coeff_a decay_factor epsilon extrapolation_value gamma "
    "height_scale high lambd low max mean min momentum norm_coefficient norm_coefficient_post "
    "ratio scale softcap spatial_scale width_scale ";
constexpr std::string_view kStringAttributes =
    " activation approximate auto_pad case_change_action coordinate_transformation_mode "
    "delimiter direction equation keep_aspect_ratio_policy locale mode nearest_mode "
    "padding_mode pattern pixel_format reduction round_mode update_rule ";
constexpr std::string_view kIntsAttributes =
    " axes consumed_inputs dilations directions ends kernel_shape ngram_counts ngram_indexes "
    "output_padding output_shape paddings pads perm pool_int64s pooled_shape scan_input_axes "
    "scan_input_directions scan_output_axes scan_output_directions shape split starts strides ";
constexpr std::string_view kFloatsAttributes = " activation_alpha activation_beta scales weights ";
constexpr std::string_view kStringsAttributes = " activations pool_strings stopwords xs zs ";

template <class T>
bool fits(const Attribute& value) {
  return std::holds_alternative<T>(value);
}

// What kind the standard gives an attribute, when the value is of another; empty otherwise.
std::string_view missed_kind(std::string_view name, const Attribute& value) {
  struct Row {
    std::string_view names, kind;
    bool (*fits)(const Attribute&);
  };
  static constexpr Row kRows[] = {
      {kIntAttributes, "an integer", fits<int64_t>},
      {kFloatAttributes, "a float", fits<float>},
      {kStringAttributes, "a string", fits<std::string>},
      {kIntsAttributes, "a list of integers", fits<std::vector<int64_t>>},
      {kFloatsAttributes, "a list of floats", fits<std::vector<float>>},
      {kStringsAttributes, "a list of strings", fits<std::vector<std::string>>}};
  for (const Row& row : kRows) {
    for (size_t at = row.names.find(name); at != std::string_view::npos;
         at = row.names.find(name, at + 1)) {
      const bool whole = at > 0 && row.names[at - 1] == ' ' && row.names[at + name.size()] == ' ';
      if (whole) return row.fits(value) ? std::string_view() : row.kind;
    }
  }
  return {};
}

// Names under which values are found, from one graph or one function body. The names point into the
// format::Model.
struct Scope {
  ir::Graph* graph = nullptr;
  Scope* outer = nullptr;                        // around a subgraph; a function body sees nothing
  std::vector<ir::ValueId>* captures = nullptr;  // of a subgraph: values of outer->graph
  const Opsets* opsets = nullptr;
  const FunctionDecl* function = nullptr;  // around this, at any distance; null: none
  const AttrMap* arguments = nullptr;      // attributes of the function's call
  std::string prefix;                      // of the names of inlined values
  bool provisional = false;                // a subgraph: its types come with its node's inference
  std::unordered_map<std::string_view, ir::ValueId> values;
};

uint64_t attribute_bytes(const AttrMap& attrs) {
  uint64_t bytes = 0;
  for (const auto& [name, value] : attrs.entries()) {
    bytes += 64 + name.size();
    if (const auto* ints = std::get_if<std::vector<int64_t>>(&value)) bytes += 8 * ints->size();
    if (const auto* floats = std::get_if<std::vector<float>>(&value)) bytes += 4 * floats->size();
    if (const auto* text = std::get_if<std::string>(&value)) bytes += text->size();
    if (const auto* strings = std::get_if<std::vector<std::string>>(&value)) {
      for (const std::string& one : *strings) bytes += 32 + one.size();
    }
    if (const auto* tensors = std::get_if<std::vector<Tensor>>(&value))
      bytes += 256 * tensors->size();
  }
  return bytes;
}

// The names that each subgraph takes from outside, worked out once per subgraph: every graph around
// it asks again.
class FreeNames {
 public:
  const std::unordered_set<std::string_view>& of(const GraphDecl& graph) {
    const auto known = known_.find(&graph);
    if (known != known_.end()) return known->second;
    std::unordered_set<std::string_view> made, free;
    for (const ValueDecl& input : graph.inputs) made.insert(input.name);
    for (const auto& weight : graph.initializers) made.insert(weight.name);
    for (const NodeDecl& node : graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
    const auto use = [&](std::string_view name) {
      if (!name.empty() && !made.contains(name)) free.insert(name);
    };
    for (const NodeDecl& node : graph.nodes) {
      for (const std::string& name : node.inputs) use(name);
      for (const auto& [attribute, body] : node.subgraphs) {
        for (const std::string_view name : of(*body)) use(name);
      }
    }
    for (const ValueDecl& output : graph.outputs) use(output.name);
    return known_.emplace(&graph, std::move(free)).first->second;
  }

 private:
  std::unordered_map<const GraphDecl*, std::unordered_set<std::string_view>> known_;
};

// Indices of the producing nodes that each node waits for, in a list of nodes.
struct Dependencies {
  std::unordered_map<std::string_view, size_t> producer;
  std::vector<std::vector<size_t>> of;
};

Dependencies dependencies(const std::vector<NodeDecl>& nodes, FreeNames& free_names) {
  Dependencies out;
  out.of.resize(nodes.size());
  for (size_t n = 0; n < nodes.size(); ++n) {
    for (const std::string& name : nodes[n].outputs) {
      if (!name.empty()) out.producer.emplace(name, n);
    }
  }
  for (size_t n = 0; n < nodes.size(); ++n) {
    const auto need = [&](std::string_view name) {
      const auto found = out.producer.find(name);
      if (found != out.producer.end()) out.of[n].push_back(found->second);
    };
    for (const std::string& name : nodes[n].inputs) need(name);
    for (const auto& [attribute, body] : nodes[n].subgraphs) {
      for (const std::string_view name : free_names.of(*body)) need(name);
    }
  }
  return out;
}

// The wanted nodes in an order in which everything is made before it is used; the file's own order
// where that is one.
Result<std::vector<size_t>> ordered(const std::vector<NodeDecl>& nodes, const Dependencies& deps,
                                    const std::vector<bool>& wanted) {
  std::vector<size_t> order;
  order.reserve(nodes.size());
  bool sorted = true;
  for (size_t n = 0; n < nodes.size(); ++n) {
    if (!wanted[n]) continue;
    order.push_back(n);
    for (const size_t before : deps.of[n]) sorted = sorted && before < n;
  }
  if (sorted) return order;

  std::vector<size_t> missing(nodes.size(), 0);
  std::vector<std::vector<size_t>> readers(nodes.size());
  for (const size_t n : order) {
    missing[n] = deps.of[n].size();
    for (const size_t before : deps.of[n]) readers[before].push_back(n);
  }
  std::set<size_t> ready;
  for (const size_t n : order) {
    if (missing[n] == 0) ready.insert(n);
  }
  std::vector<size_t> out;
  out.reserve(order.size());
  while (!ready.empty()) {
    const size_t n = *ready.begin();
    ready.erase(ready.begin());
    out.push_back(n);
    for (const size_t reader : readers[n]) {
      if (--missing[reader] == 0) ready.insert(reader);
    }
  }
  if (out.size() != order.size()) {
    const auto stuck = std::ranges::find_if(order, [&](size_t n) { return missing[n] != 0; });
    return invalid_model(cat("The graph has a cycle: ", label(nodes[*stuck]),
                             " waits, directly or not, for itself"));
  }
  return out;
}

class Importer {
 public:
  Importer(const format::Model& model, const op::Registry& registry, const ImportOptions& options)
      : model_(model), registry_(registry), options_(options) {}

  Result<ir::Graph> run();

 private:
  using Types = std::unordered_map<std::string_view, const Type*>;
  using Presets = std::unordered_map<std::string_view, ir::ValueId>;
  using FunctionKey = std::tuple<std::string_view, std::string_view, std::string_view>;
  struct FunctionInfo {
    const FunctionDecl* decl = nullptr;
    enum class State : uint8_t { kNew, kActive, kDone } state = State::kNew;
    Checked nodes = 0;  // when inlined, with all that it calls
    Checked bytes = 0;
  };

  Result<void> index_functions();
  FunctionInfo* function_of(const NodeDecl& node);
  Result<void> survey(const std::vector<NodeDecl>& nodes, const std::vector<bool>* wanted,
                      int depth, Checked& count, Checked& bytes);
  Result<void> check_opsets() const;
  Result<int64_t> opset_of(const Scope& scope, const NodeDecl& node) const;

  std::string fresh_symbol(std::string_view input, size_t axis);
  Result<void> main_inputs(const GraphDecl& decl, Scope& scope);
  Type declared(const Type& type) const;
  Result<void> define(Scope& scope, std::string_view name, ir::ValueId id, std::string_view what,
                      const NodeDecl* node = nullptr);
  Result<void> declare_outputs(Scope& scope, const std::vector<NodeDecl>& nodes,
                               const std::vector<bool>& wanted, const Types& types,
                               const Presets& presets);
  std::optional<ir::ValueId> resolve(Scope& scope, std::string_view name);
  Result<void> import_nodes(Scope& scope, const std::vector<NodeDecl>& nodes,
                            const Dependencies& deps, const std::vector<bool>& wanted);
  Result<void> import_node(Scope& scope, const NodeDecl& decl);
  Result<void> import_constant(Scope& scope, const NodeDecl& decl);
  Result<void> inline_call(Scope& scope, const NodeDecl& decl, const FunctionDecl& function);
  Result<ir::Subgraph> import_subgraph(Scope& scope, const std::string& name, const GraphDecl& decl,
                                       int scalar_inputs);
  Result<void> as_line_of_one(Scope& body, const std::string& name);
  Result<AttrMap> attributes(const Scope& scope, const NodeDecl& decl);
  Result<void> add(Scope& scope, ir::Node node);
  Result<void> check_input_types(const ir::Graph& graph) const;

  const format::Model& model_;
  const op::Registry& registry_;
  const ImportOptions& options_;
  std::map<FunctionKey, FunctionInfo> functions_;
  std::map<std::string, size_t> unknown_;  // operators without a definition, and how many nodes
  FreeNames free_names_;
  std::set<std::string, std::less<>> symbols_;  // those of the graph's inputs
};

// --- before anything is built

Result<void> Importer::index_functions() {
  for (const FunctionDecl& decl : model_.functions) {
    const FunctionKey key(plain_domain(decl.domain), decl.name, decl.overload);
    if (!functions_.emplace(key, FunctionInfo{&decl}).second) {
      return invalid_model(cat("The function ", quoted(decl.name), " of domain ",
                               quoted(shown_domain(plain_domain(decl.domain))),
                               " is defined twice (limit 1)"));
    }
  }
  return {};
}

Importer::FunctionInfo* Importer::function_of(const NodeDecl& node) {
  if (functions_.empty()) return nullptr;
  const auto found =
      functions_.find(FunctionKey(plain_domain(node.domain), node.op, node.overload));
  return found == functions_.end() ? nullptr : &found->second;
}

// Counts what inlining would give and collects operators that nobody defines, without building
// anything: a short file can call its way to 10^30 nodes.
Result<void> Importer::survey(const std::vector<NodeDecl>& nodes, const std::vector<bool>* wanted,
                              int depth, Checked& count, Checked& bytes) {
  if (depth > caps::kMaxInlineNesting) {
    return invalid_model(cat("Functions and subgraphs nest deeper than ", depth - 1, " (limit ",
                             caps::kMaxInlineNesting, ")"));
  }
  for (size_t n = 0; n < nodes.size(); ++n) {
    if (wanted != nullptr && !(*wanted)[n]) continue;
    const NodeDecl& node = nodes[n];
    bytes = bytes + attribute_bytes(node.attrs);
    for (const auto& [name, body] : node.subgraphs) {
      SLUICE_TRY(survey(body->nodes, nullptr, depth + 1, count, bytes));
    }
    FunctionInfo* function = function_of(node);
    if (function == nullptr) {
      count = count + 1;
      const std::string_view domain = plain_domain(node.domain);
      const bool constant = domain.empty() && node.op == "Constant";
      if (!constant && registry_.find(domain, node.op) == nullptr) ++unknown_[full_op(node)];
      continue;
    }
    if (function->state == FunctionInfo::State::kActive) {
      return invalid_model(
          cat("The function ", quoted(function->decl->name), " calls itself, directly or not"));
    }
    if (function->state == FunctionInfo::State::kNew) {
      function->state = FunctionInfo::State::kActive;
      SLUICE_TRY(
          survey(function->decl->nodes, nullptr, depth + 1, function->nodes, function->bytes));
      function->state = FunctionInfo::State::kDone;
    }
    count = count + function->nodes;
    bytes = bytes + function->bytes;
  }
  return {};
}

Result<void> Importer::check_opsets() const {
  const auto check = [](const Opsets& opsets, std::string_view whose) -> Result<void> {
    for (const auto& [domain, version] : opsets) {
      if (!plain_domain(domain).empty()) continue;
      if (version < kOldestOpset || version > kNewestOpset) {
        Error error = unsupported(cat(whose, " uses opset ", version, " of ai.onnx (", kOldestOpset,
                                      " to ", kNewestOpset, " are known)"));
        return error;
      }
    }
    return {};
  };
  SLUICE_TRY(check(model_.opsets, "The model"));
  for (const FunctionDecl& function : model_.functions) {
    SLUICE_TRY(check(function.opsets, cat("The function ", quoted(function.name))));
  }
  return {};
}

Result<int64_t> Importer::opset_of(const Scope& scope, const NodeDecl& node) const {
  const std::string_view domain = plain_domain(node.domain);
  int64_t version = opset_in(*scope.opsets, domain);
  if (version == kNoOpset) version = opset_in(model_.opsets, domain);
  if (version == kNoOpset) {
    // ONNX Runtime writes its own operators without always importing their domain.
    if (domain == "com.microsoft" || options_.allow_unknown) return 1;
    return invalid_model(cat("In ", label(node), ": the domain ", quoted(shown_domain(domain)),
                             " is not among the model's opset imports"));
  }
  return version;
}

// --- names

// `what` it is, or what it is of `node`.
Result<void> Importer::define(Scope& scope, std::string_view name, ir::ValueId id,
                              std::string_view what, const NodeDecl* node) {
  if (scope.values.emplace(name, id).second) return {};
  return invalid_model(cat("The value ", quoted(name), " is made twice (the second time as ", what,
                           node == nullptr ? std::string() : label(*node), "; limit 1)"));
}

std::optional<ir::ValueId> Importer::resolve(Scope& scope, std::string_view name) {
  const auto found = scope.values.find(name);
  if (found != scope.values.end()) return found->second;
  if (scope.outer == nullptr) return std::nullopt;
  const auto outside = resolve(*scope.outer, name);
  if (!outside) return std::nullopt;
  ir::ValueId inside = ir::kNoValue;
  if (*outside != ir::kNoValue) {
    const ir::ValueInfo& info = scope.outer->graph->value(*outside);
    if (info.constant) {
      // Constants are shared, not captured: the body's kernels see them at load time too.
      inside = scope.graph->add_constant(info.name, *info.constant);
    } else {
      inside = scope.graph->add_capture(info.name, info.type);
      scope.graph->value(inside).known_ints = info.known_ints;
      scope.captures->push_back(*outside);
    }
  }
  scope.values.emplace(name, inside);
  return inside;
}

// A type that the file states, as far as it can be believed: symbols mean something only when an
// input of the graph binds them, and stated extents belong to the shapes the file was written with.
Type Importer::declared(const Type& type) const {
  Type out = type;
  if (type.elem != nullptr) out.elem = std::make_shared<const Type>(declared(*type.elem));
  if (!out.dims) return out;
  for (Dim& dim : *out.dims) {
    std::vector<std::string> used;
    dim.collect_symbols(used);
    const bool bound = std::ranges::all_of(
        used, [&](const std::string& symbol) { return symbols_.contains(symbol); });
    if (!bound || !options_.input_shapes.empty()) dim = Dim::unknown();
  }
  return out;
}

// "images.0": the name of an input's extent that the file does not name.
std::string Importer::fresh_symbol(std::string_view input, size_t axis) {
  constexpr size_t kMaxSymbol = 40;
  std::string word;
  for (const char c : input.substr(0, kMaxSymbol)) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    word += plain ? c : '_';
  }
  if (word[0] >= '0' && word[0] <= '9') word = cat("_", word);
  std::string out = cat(word, ".", axis);
  for (size_t i = symbols_.size() + 1; !symbols_.insert(out).second; ++i)
    out = cat(word, "_", i, ".", axis);
  return out;
}

Result<void> Importer::main_inputs(const GraphDecl& decl, Scope& scope) {
  std::unordered_set<std::string_view> weights;
  for (const auto& weight : decl.initializers) weights.insert(weight.name);

  // Symbols that the caller's shapes resolve.
  std::map<std::string, Dim, std::less<>> fixed;
  for (const auto& [name, shape] : options_.input_shapes) {
    const auto found = std::ranges::find_if(
        decl.inputs, [&](const ValueDecl& input) { return input.name == name; });
    if (found == decl.inputs.end() || weights.contains(name)) {
      return usage_error(
          cat("A shape is given for ", quoted(name), ", which is no input of the model"));
    }
    if (!found->type.has_rank()) continue;
    if (found->type.dims->size() != static_cast<size_t>(shape.rank())) {
      return usage_error(cat("The shape given for input ", quoted(name), " has rank ", shape.rank(),
                             " (the model says ", found->type.dims->size(), ")"));
    }
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] < 0) {
        return usage_error(cat("The shape given for input ", quoted(name), " is ", shape.text(),
                               " (extents are at least 0)"));
      }
      const Dim& dim = (*found->type.dims)[static_cast<size_t>(i)];
      if (!dim.is_symbolic()) continue;
      const auto [entry, fresh] = fixed.emplace(dim.text(), Dim(shape[i]));
      if (!fresh && !(entry->second == Dim(shape[i]))) {
        return usage_error(cat("The shapes given make the dimension ", quoted(dim.text()), " both ",
                               entry->second.text(), " and ", shape[i]));
      }
    }
  }

  for (const ValueDecl& input : decl.inputs) {
    if (!input.type.dims || weights.contains(input.name)) continue;
    for (const Dim& dim : *input.type.dims) {
      std::vector<std::string> used;
      dim.collect_symbols(used);
      symbols_.insert(used.begin(), used.end());
    }
  }
  for (const ValueDecl& input : decl.inputs) {
    if (input.name.empty()) return invalid_model("An input of the graph has no name");
    if (weights.contains(input.name)) continue;
    Type type = input.type;
    if (type.dims) {
      for (size_t axis = 0; axis < type.dims->size(); ++axis) {
        Dim& dim = (*type.dims)[axis];
        // A nameless extent of an input is as fixed during a run as a named one.
        dim =
            dim.is_unknown() ? Dim::symbol(fresh_symbol(input.name, axis)) : dim.substitute(fixed);
      }
    }
    const auto shape = options_.input_shapes.find(input.name);
    if (shape != options_.input_shapes.end()) {
      if (type.kind == Type::Kind::kSequence || type.kind == Type::Kind::kOptional) {
        return usage_error(cat("A shape is given for input ", quoted(input.name), ", which is ",
                               type.text(), " (only tensors have one)"));
      }
      type.kind = Type::Kind::kTensor;
      type.dims = to_dims(shape->second);
    }
    SLUICE_TRY(define(scope, input.name, scope.graph->add_input(input.name, std::move(type)),
                      "a graph input"));
  }
  return {};
}

// Makes the values that nodes will produce, so that the file's names are taken before any made-up
// one. `presets` are outputs of a function: values of its caller, waiting for a producer.
Result<void> Importer::declare_outputs(Scope& scope, const std::vector<NodeDecl>& nodes,
                                       const std::vector<bool>& wanted, const Types& types,
                                       const Presets& presets) {
  // Long names of inlined values are shortened: they are repeated at every call.
  constexpr size_t kMaxInlinedName = 128;
  for (size_t n = 0; n < nodes.size(); ++n) {
    if (!wanted[n]) continue;
    for (const std::string& name : nodes[n].outputs) {
      if (name.empty()) continue;
      const auto preset = presets.find(name);
      ir::ValueId id = ir::kNoValue;
      if (preset != presets.end()) {
        id = preset->second;
      } else {
        const auto type = types.find(name);
        id = scope.graph->add_value(
            scope.function == nullptr ? name : cat(scope.prefix, name.substr(0, kMaxInlinedName)),
            type == types.end() ? Type{} : declared(*type->second));
      }
      SLUICE_TRY(define(scope, name, id, "an output of ", &nodes[n]));
    }
  }
  return {};
}

// --- nodes

Result<void> Importer::add(Scope& scope, ir::Node node) {
  const ir::NodeId id = scope.graph->add_node(std::move(node));
  const ir::Node& added = scope.graph->node(id);
  if (registry_.find(added.domain, added.op) == nullptr) {
    if (options_.allow_unknown) return {};
    return unsupported(
        cat("The operator ", added.full_op(), " of ", added.label(), " is not known"));
  }
  auto inferred = op::infer_node(registry_, *scope.graph, id);
  if (!inferred) {
    // Inside a subgraph the types are not all known yet; its node's inference has the last word.
    if (scope.provisional) return {};
    // A subgraph with an unknown operator can't be typed; the rest can.
    if (options_.allow_unknown && !added.subgraphs.empty() &&
        inferred.error().code == ErrorCode::kUnsupported) {
      return {};
    }
    return inferred;
  }
  return {};
}

Result<AttrMap> Importer::attributes(const Scope& scope, const NodeDecl& decl) {
  if (decl.attr_refs.empty()) return decl.attrs;
  AttrMap out = decl.attrs;
  for (const auto& [name, ref] : decl.attr_refs) {
    if (scope.function == nullptr) {
      return invalid_model(cat("In ", label(decl), ": the attribute ", quoted(name),
                               " refers to a function's attribute outside of any function"));
    }
    if (const Attribute* given = scope.arguments->find(ref)) {
      out.set(name, *given);
      continue;
    }
    const auto& defaults = scope.function->default_attributes;
    const auto fallback =
        std::ranges::find_if(defaults, [&](const auto& entry) { return entry.first == ref; });
    if (fallback != defaults.end()) out.set(name, fallback->second);
    // Otherwise the attribute is left out, as the specification says.
  }
  return out;
}

Result<void> Importer::import_constant(Scope& scope, const NodeDecl& decl) {
  const auto fail = [&](std::string_view why) {
    return invalid_model(cat("In ", label(decl), ": ", why));
  };
  SLUICE_ASSIGN(const AttrMap attrs, attributes(scope, decl));
  if (decl.outputs.size() != 1 || decl.outputs[0].empty()) {
    return fail(cat("a Constant has ", decl.outputs.size(), " outputs (1 is needed)"));
  }
  if (!decl.inputs.empty()) return fail("a Constant takes no inputs");
  std::optional<Tensor> tensor;
  int found = 0;
  for (const auto& [name, value] : attrs.entries()) {
    const auto* as_tensor = std::get_if<Tensor>(&value);
    const auto* as_float = std::get_if<float>(&value);
    const auto* as_int = std::get_if<int64_t>(&value);
    const auto* as_string = std::get_if<std::string>(&value);
    const auto* as_floats = std::get_if<std::vector<float>>(&value);
    const auto* as_ints = std::get_if<std::vector<int64_t>>(&value);
    const auto* as_strings = std::get_if<std::vector<std::string>>(&value);
    const auto line = [](size_t n) { return Shape{static_cast<int64_t>(n)}; };
    if ((name == "value" || name == "sparse_value") && as_tensor != nullptr) {
      tensor = *as_tensor;
    } else if (name == "value_float" && as_float != nullptr) {
      tensor = Tensor::scalar(*as_float);
    } else if (name == "value_int" && as_int != nullptr) {
      tensor = Tensor::scalar(*as_int);
    } else if (name == "value_string" && as_string != nullptr) {
      tensor = Tensor::of_strings(Shape{}, std::span(as_string, 1));
    } else if (name == "value_floats" && as_floats != nullptr) {
      tensor = Tensor::of<float>(line(as_floats->size()), *as_floats);
    } else if (name == "value_ints" && as_ints != nullptr) {
      tensor = Tensor::of<int64_t>(line(as_ints->size()), *as_ints);
    } else if (name == "value_strings" && as_strings != nullptr) {
      tensor = Tensor::of_strings(line(as_strings->size()), *as_strings);
    } else {
      return fail(cat("the attribute ", quoted(name),
                      " does not belong to a Constant, or is of the wrong type"));
    }
    ++found;
  }
  if (found != 1) return fail(cat("a Constant has ", found, " values (1 is needed)"));
  scope.graph->make_constant(scope.values.at(decl.outputs[0]), std::move(*tensor));
  return {};
}

Result<void> Importer::inline_call(Scope& scope, const NodeDecl& decl,
                                   const FunctionDecl& function) {
  if (decl.inputs.size() > function.inputs.size() ||
      decl.outputs.size() > function.outputs.size()) {
    return invalid_model(cat("In ", label(decl), ": a function of ", function.inputs.size(),
                             " inputs and ", function.outputs.size(), " outputs is called with ",
                             decl.inputs.size(), " and ", decl.outputs.size()));
  }
  SLUICE_ASSIGN(const AttrMap arguments, attributes(scope, decl));
  for (const auto& [name, ref] : decl.subgraphs) {
    if (std::ranges::find(function.attributes, name) != function.attributes.end()) {
      return unsupported(cat("In ", label(decl), ": the function's attribute ", quoted(name),
                             " is a graph, which Sluice does not inline"));
    }
  }
  constexpr size_t kMaxPrefix = 200;
  Scope body;
  body.graph = scope.graph;
  body.opsets = &function.opsets;
  body.function = &function;
  body.arguments = &arguments;
  body.provisional = scope.provisional;
  body.prefix = scope.prefix;
  if (body.prefix.size() < kMaxPrefix) {
    const std::string_view name = decl.name.empty() ? decl.op : decl.name;
    body.prefix = cat(scope.prefix, name.substr(0, kMaxPrefix), "/");
  }
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    ir::ValueId actual = ir::kNoValue;
    if (i < decl.inputs.size() && !decl.inputs[i].empty()) {
      const auto found = resolve(scope, decl.inputs[i]);
      if (!found) {
        return invalid_model(
            cat("In ", label(decl), ": the input ", quoted(decl.inputs[i]), " is made by nothing"));
      }
      actual = *found;
    }
    if (function.inputs[i].empty()) continue;
    SLUICE_TRY(define(body, function.inputs[i], actual, "a function's input"));
  }
  Presets presets;
  for (size_t i = 0; i < function.outputs.size(); ++i) {
    const std::string& name = function.outputs[i];
    const bool asked = i < decl.outputs.size() && !decl.outputs[i].empty();
    const ir::ValueId actual = asked
                                   ? scope.values.at(decl.outputs[i])
                                   : scope.graph->add_value(cat(body.prefix, name.substr(0, 128)));
    if (!presets.emplace(name, actual).second) {
      return invalid_model(cat("The function ", quoted(function.name), " has the output ",
                               quoted(name), " twice (limit 1)"));
    }
  }
  const std::vector<bool> wanted(function.nodes.size(), true);
  SLUICE_TRY(declare_outputs(body, function.nodes, wanted, {}, presets));
  SLUICE_TRY(import_nodes(body, function.nodes, dependencies(function.nodes, free_names_), wanted));
  for (const auto& [name, actual] : presets) {
    const auto made = body.values.find(name);
    if (made == body.values.end()) {
      return invalid_model(cat("The output ", quoted(name), " of the function ",
                               quoted(function.name), " is made by nothing"));
    }
    if (made->second == actual) continue;
    // The output is one of the inputs, handed through.
    if (made->second == ir::kNoValue) {
      return invalid_model(cat("The output ", quoted(name), " of the function ",
                               quoted(function.name), " is an input that the call leaves out"));
    }
    ir::Node copy;
    copy.op = "Identity";
    copy.name = cat(body.prefix, name.substr(0, 128));
    copy.inputs = {made->second};
    copy.outputs = {actual};
    SLUICE_TRY(add(scope, std::move(copy)));
  }
  return {};
}

// Exporters have declared a Loop body's iteration number and condition as one-element lines, and
// ONNX Runtime feeds them so. The operator's are scalars: the body sees them reshaped.
Result<void> Importer::as_line_of_one(Scope& body, const std::string& name) {
  ir::ValueId& seen = body.values.at(name);
  const ir::ValueId fed = seen;
  const DType dtype = body.graph->type(fed).dtype;
  body.graph->value(fed).type = Type::tensor(dtype, Dims{});
  seen = body.graph->add_value(cat(name, "_line"), Type::tensor(dtype, Dims{Dim(1)}));
  ir::Node reshape;
  reshape.op = "Reshape";
  reshape.name = body.graph->value(seen).name;
  reshape.inputs = {
      fed, body.graph->add_constant(cat(name, "_line_shape"), Tensor::of<int64_t>(Shape{1}, {1}))};
  reshape.outputs = {seen};
  return add(body, std::move(reshape));
}

// The first `scalar_inputs` inputs are fed scalars by the operator.
Result<ir::Subgraph> Importer::import_subgraph(Scope& scope, const std::string& name,
                                               const GraphDecl& decl, int scalar_inputs) {
  ir::Subgraph out;
  out.name = name;
  out.graph = std::make_unique<ir::Graph>();
  out.graph->name = decl.name;
  Scope body;
  body.graph = out.graph.get();
  body.outer = &scope;
  body.captures = &out.captures;
  body.opsets = scope.opsets;
  body.function = scope.function;
  body.arguments = scope.arguments;
  body.provisional = true;
  Types types;
  for (const ValueDecl& info : decl.value_infos) types.emplace(info.name, &info.type);
  for (const ValueDecl& info : decl.outputs) types.emplace(info.name, &info.type);
  for (const ValueDecl& input : decl.inputs) {
    if (input.name.empty())
      return invalid_model(cat("An input of the subgraph ", quoted(name), " has no name"));
    SLUICE_TRY(define(body, input.name, body.graph->add_input(input.name, declared(input.type)),
                      "a subgraph's input"));
  }
  for (const auto& weight : decl.initializers) {
    // A default for an input changes nothing: bodies are always fed.
    if (body.values.contains(weight.name)) continue;
    SLUICE_TRY(define(body, weight.name, body.graph->add_constant(weight.name, weight.tensor),
                      "an initializer"));
  }
  const std::vector<bool> wanted(decl.nodes.size(), true);
  SLUICE_TRY(declare_outputs(body, decl.nodes, wanted, types, {}));
  std::vector<Type> stated;
  for (size_t v = 0; v < body.graph->value_count(); ++v) {
    stated.push_back(body.graph->type(static_cast<ir::ValueId>(v)));
  }
  for (size_t i = 0; i < decl.inputs.size() && i < static_cast<size_t>(scalar_inputs); ++i) {
    const Type& type = decl.inputs[i].type;
    if (type.has_rank() && type.dims->size() == 1 && (*type.dims)[0] == Dim(1)) {
      SLUICE_TRY(as_line_of_one(body, decl.inputs[i].name));
    }
  }
  SLUICE_TRY(import_nodes(body, decl.nodes, dependencies(decl.nodes, free_names_), wanted));
  for (const ValueDecl& output : decl.outputs) {
    const auto id = resolve(body, output.name);
    if (!id || *id == ir::kNoValue) {
      return invalid_model(cat("The output ", quoted(output.name), " of the subgraph ",
                               quoted(name), " is made by nothing"));
    }
    body.graph->outputs().push_back(*id);
  }
  // What was inferred so far served the upgrades. The types of the body follow from what its node
  // feeds it, and come with that node's inference.
  for (size_t v = 0; v < body.graph->value_count(); ++v) {
    ir::ValueInfo& info = body.graph->value(static_cast<ir::ValueId>(v));
    if (info.producer == ir::kNoNode) continue;
    info.type = v < stated.size() ? stated[v] : Type{};
    info.known_ints.reset();
  }
  return out;
}

Result<void> Importer::import_node(Scope& scope, const NodeDecl& decl) {
  const std::string_view domain = plain_domain(decl.domain);
  SLUICE_ASSIGN(const int64_t opset, opset_of(scope, decl));
  if (domain.empty() && decl.op == "Constant") return import_constant(scope, decl);
  if (const FunctionInfo* function = function_of(decl)) {
    auto inlined = inline_call(scope, decl, *function->decl);
    if (!inlined) {
      return std::move(inlined).error().while_doing(cat("inlining ", label(decl)));
    }
    return inlined;
  }
  ir::Node node;
  node.domain = domain;
  node.op = decl.op;
  // A nameless node goes by the name of what it makes.
  node.name = decl.name;
  if (node.name.empty() && !decl.outputs.empty()) node.name = decl.outputs[0];
  if (scope.function != nullptr) node.name = cat(scope.prefix, node.name.substr(0, 128));
  node.inputs.reserve(decl.inputs.size());
  for (const std::string& name : decl.inputs) {
    if (name.empty()) {
      node.inputs.push_back(ir::kNoValue);
      continue;
    }
    const auto found = resolve(scope, name);
    if (!found) {
      return invalid_model(
          cat("In ", label(decl), ": the input ", quoted(name), " is made by nothing"));
    }
    node.inputs.push_back(*found);
  }
  while (!node.inputs.empty() && node.inputs.back() == ir::kNoValue) node.inputs.pop_back();
  node.outputs.reserve(decl.outputs.size());
  for (const std::string& name : decl.outputs) {
    node.outputs.push_back(name.empty() ? ir::kNoValue : scope.values.at(name));
  }
  SLUICE_ASSIGN(node.attrs, attributes(scope, decl));
  if (domain.empty()) {
    for (const auto& [name, value] : node.attrs.entries()) {
      const std::string_view wanted = missed_kind(name, value);
      if (!wanted.empty()) {
        return invalid_model(
            cat("In ", label(decl), ": the attribute ", quoted(name), " is not ", wanted));
      }
    }
  }
  for (const auto& [name, body] : decl.subgraphs) {
    SLUICE_ASSIGN(ir::Subgraph made,
                  import_subgraph(scope, name, *body, domain.empty() && decl.op == "Loop" ? 2 : 0));
    node.subgraphs.push_back(std::move(made));
  }
  const op::OpDef* def = registry_.find(domain, decl.op);
  if (def != nullptr && def->upgrade != nullptr) {
    op::UpgradeContext context(*scope.graph, node, static_cast<int>(opset));
    auto upgraded = def->upgrade(context);
    if (!upgraded) {
      return std::move(upgraded).error().while_doing(
          cat("upgrading ", label(decl), " from opset ", opset));
    }
    std::vector<ir::Node> before = std::move(context.before);
    std::vector<ir::Node> after = std::move(context.after);
    for (ir::Node& made : before) SLUICE_TRY(add(scope, std::move(made)));
    SLUICE_TRY(add(scope, std::move(node)));
    for (ir::Node& made : after) SLUICE_TRY(add(scope, std::move(made)));
    return {};
  }
  return add(scope, std::move(node));
}

Result<void> Importer::import_nodes(Scope& scope, const std::vector<NodeDecl>& nodes,
                                    const Dependencies& deps, const std::vector<bool>& wanted) {
  SLUICE_ASSIGN(const std::vector<size_t> order, ordered(nodes, deps, wanted));
  for (const size_t n : order) SLUICE_TRY(import_node(scope, nodes[n]));
  return {};
}

// --- the whole

Result<void> Importer::check_input_types(const ir::Graph& graph) const {
  const auto uses = graph.uses();
  for (const ir::ValueId id : graph.inputs()) {
    const ir::ValueInfo& info = graph.value(id);
    if (uses[static_cast<size_t>(id)].empty() || options_.allow_unknown) continue;
    if (info.type.kind == Type::Kind::kUnknown) {
      return unsupported(cat("The input ", quoted(info.name),
                             " has no type, or one that is no tensor, sequence or optional"));
    }
    if (info.type.is_tensor() && info.type.dtype == DType::kUndefined) {
      return invalid_model(cat("The input ", quoted(info.name), " has no element type"));
    }
  }
  return {};
}

Result<ir::Graph> Importer::run() {
  if (model_.graphs.size() != 1) {
    return invalid_model(cat("The model has ", model_.graphs.size(), " graphs (1 is needed)"));
  }
  const GraphDecl& decl = model_.graphs[0];
  SLUICE_TRY(check_opsets());
  SLUICE_TRY(index_functions());

  // Which nodes are needed, and what the outputs are.
  const Dependencies deps = dependencies(decl.nodes, free_names_);
  std::vector<std::string_view> output_names;
  std::vector<bool> wanted(decl.nodes.size(), options_.outputs.empty());
  if (options_.outputs.empty()) {
    for (const ValueDecl& output : decl.outputs) output_names.push_back(output.name);
  } else {
    std::vector<size_t> stack;
    for (const std::string& name : options_.outputs) {
      output_names.push_back(name);
      const auto producer = deps.producer.find(name);
      if (producer != deps.producer.end()) stack.push_back(producer->second);
    }
    while (!stack.empty()) {
      const size_t n = stack.back();
      stack.pop_back();
      if (wanted[n]) continue;
      wanted[n] = true;
      stack.insert(stack.end(), deps.of[n].begin(), deps.of[n].end());
    }
  }
  if (output_names.empty()) return invalid_model("The graph has no outputs (at least 1 is needed)");

  Checked count = 0, bytes = 0;
  SLUICE_TRY(survey(decl.nodes, &wanted, 1, count, bytes));
  if (!count.fits(caps::kMaxInlinedNodes) || !bytes.fits(caps::kMaxInlinedBytes)) {
    return resource_error(cat("With its functions inlined the model has ",
                              count.valid() ? cat(count.value()) : std::string("more than 2^64"),
                              " nodes (limit ", caps::kMaxInlinedNodes, ") and ",
                              bytes.valid() ? cat(bytes.value()) : std::string("more than 2^64"),
                              " bytes of attributes (limit ", caps::kMaxInlinedBytes, ")"));
  }
  if (!unknown_.empty() && !options_.allow_unknown) {
    std::vector<std::string> parts;
    constexpr size_t kMaxListed = 20;
    for (const auto& [name, times] : unknown_) {
      if (parts.size() == kMaxListed) {
        parts.push_back(cat("and ", unknown_.size() - kMaxListed, " more"));
        break;
      }
      std::string shown = quoted(name);
      parts.push_back(
          cat(shown.substr(1, shown.size() - 2), " (", times, times == 1 ? " node)" : " nodes)"));
    }
    return unsupported(
        cat("The model uses operators that Sluice does not have: ", join(parts, ", ")));
  }

  ir::Graph graph;
  graph.name = decl.name;
  graph.metadata = model_.metadata;
  std::vector<std::string> opsets;
  for (const auto& [domain, version] : model_.opsets) {
    opsets.push_back(cat(shown_domain(plain_domain(domain)), " ", version));
  }
  graph.metadata.emplace_back("opset", join(opsets, ", "));

  Scope scope;
  scope.graph = &graph;
  scope.opsets = &model_.opsets;
  SLUICE_TRY(main_inputs(decl, scope));
  for (const auto& weight : decl.initializers) {
    if (weight.name.empty()) return invalid_model("An initializer of the graph has no name");
    SLUICE_TRY(define(scope, weight.name, graph.add_constant(weight.name, weight.tensor),
                      "an initializer"));
  }
  Types types;
  for (const ValueDecl& info : decl.value_infos) types.emplace(info.name, &info.type);
  for (const ValueDecl& info : decl.outputs) types.emplace(info.name, &info.type);
  SLUICE_TRY(declare_outputs(scope, decl.nodes, wanted, types, {}));
  SLUICE_TRY(import_nodes(scope, decl.nodes, deps, wanted));

  std::set<std::string_view> seen;
  for (const std::string_view name : output_names) {
    const auto found = scope.values.find(name);
    if (found == scope.values.end()) {
      if (!options_.outputs.empty()) {
        return usage_error(cat("The output ", quoted(name), " asked for is no value of the model"));
      }
      return invalid_model(cat("The graph's output ", quoted(name), " is made by nothing"));
    }
    if (!seen.insert(name).second) {
      return invalid_model(cat("The graph's output ", quoted(name), " is listed twice (limit 1)"));
    }
    graph.outputs().push_back(found->second);
  }
  if (!options_.outputs.empty()) {
    const auto uses = graph.uses();
    std::erase_if(graph.inputs(),
                  [&](ir::ValueId id) { return uses[static_cast<size_t>(id)].empty(); });
  }
  SLUICE_TRY(check_input_types(graph));
  SLUICE_TRY(ir::verify(graph));
  return graph;
}

}  // namespace

Result<ir::Graph> import_onnx(const format::Model& model, const op::Registry& registry,
                              const ImportOptions& options) {
  auto graph = Importer(model, registry, options).run();
  if (!graph) {
    return std::move(graph).error().while_doing(cat("importing ", quoted(model.source, 200)));
  }
  return graph;
}

}  // namespace sluice::import
