#include "ir/text.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"

namespace sluice::ir {

namespace {

constexpr size_t kNoLimit = static_cast<size_t>(-1);
// Constants up to this many elements print as numbers instead of bytes.
constexpr int64_t kListedElements = 16;

bool prints_as_numbers(const Tensor& tensor) {
  return tensor.elements() <= kListedElements &&
         (is_integer(tensor.dtype()) || tensor.dtype() == DType::kBool ||
          tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kFloat64);
}

std::string number_text(const Tensor& tensor, int64_t i) {
  if (!is_floating(tensor.dtype())) {
    return tensor.dtype() == DType::kUInt64 ? cat(static_cast<uint64_t>(tensor.get_int(i)))
                                            : cat(tensor.get_int(i));
  }
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, tensor.dtype() == DType::kFloat64 ? "%.17g" : "%.9g",
                tensor.get_double(i));
  return buffer;
}

std::string tensor_text(const Tensor& tensor, const TextOptions& options) {
  std::string out = tensor.text() + " = ";
  if (options.max_constant_elements >= 0 && tensor.elements() > options.max_constant_elements) {
    return out + "...";
  }
  if (tensor.elements() == 0 || tensor.bytes().data() == nullptr) return out + "[]";
  if (tensor.dtype() == DType::kString) {
    std::vector<std::string> parts;
    for (const std::string& s : tensor.span<std::string>()) parts.push_back(quoted(s, kNoLimit));
    return out + "[" + join(parts, ", ") + "]";
  }
  if (prints_as_numbers(tensor)) {
    std::vector<std::string> parts;
    for (int64_t i = 0; i < tensor.elements(); ++i) parts.push_back(number_text(tensor, i));
    return out + "[" + join(parts, ", ") + "]";
  }
  const auto bytes = tensor.bytes();
  return out + "x\"" + hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}) + "\"";
}

std::string float_text(float value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.9gf", static_cast<double>(value));
  return buffer;
}

std::string attribute_text(const Attribute& attribute, const TextOptions& options) {
  struct Visitor {
    const TextOptions& how;
    std::string operator()(int64_t v) const { return cat(v); }
    std::string operator()(float v) const { return float_text(v); }
    std::string operator()(const std::string& v) const { return quoted(v, kNoLimit); }
    std::string operator()(const Tensor& v) const { return "tensor(" + tensor_text(v, how) + ")"; }
    std::string operator()(const Type& v) const { return "type(" + v.text() + ")"; }
    std::string operator()(const std::vector<int64_t>& v) const {
      return "[" + join(v, ", ") + "]";
    }
    std::string operator()(const std::vector<float>& v) const {
      std::vector<std::string> parts;
      for (const float f : v) parts.push_back(float_text(f));
      return "floats[" + join(parts, ", ") + "]";
    }
    std::string operator()(const std::vector<std::string>& v) const {
      std::vector<std::string> parts;
      for (const std::string& s : v) parts.push_back(quoted(s, kNoLimit));
      return "strings[" + join(parts, ", ") + "]";
    }
    std::string operator()(const std::vector<Tensor>& v) const {
      std::vector<std::string> parts;
      for (const Tensor& t : v) parts.push_back("tensor(" + tensor_text(t, how) + ")");
      return "tensors[" + join(parts, ", ") + "]";
    }
  };
  return std::visit(Visitor{options}, attribute);
}

std::string ids_text(const std::vector<ValueId>& ids) {
  std::vector<std::string> parts;
  for (const ValueId id : ids) parts.push_back(id == kNoValue ? "_" : cat("%", id));
  return join(parts, ", ");
}

void print(const Graph& graph, const TextOptions& options, const std::string& indent,
           std::string& out) {
  const std::string inner = indent + "  ";
  out += cat("graph ", quoted(graph.name, kNoLimit), " {\n");
  for (const auto& [key, value] : graph.metadata) {
    out += cat(inner, "meta ", quoted(key, kNoLimit), " = ", quoted(value, kNoLimit), "\n");
  }
  const auto declare = [&](std::string_view what, ValueId id) {
    out += cat(inner, what, " %", id, " ", quoted(graph.value(id).name, kNoLimit), ": ",
               graph.type(id).text(), "\n");
  };
  for (const ValueId id : graph.inputs()) declare("input", id);
  for (const ValueId id : graph.captures()) declare("capture", id);
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const ValueInfo& info = graph.value(static_cast<ValueId>(v));
    if (!info.constant) continue;
    out += cat(inner, "const %", v, " ", quoted(info.name, kNoLimit), ": ",
               tensor_text(*info.constant, options), "\n");
  }
  for (const Node& node : graph.nodes()) {
    out += inner;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (i != 0) out += ", ";
      const ValueId id = node.outputs[i];
      out += id == kNoValue ? "_" : cat("%", id, " ", quoted(graph.value(id).name, kNoLimit));
    }
    out += cat(node.outputs.empty() ? "" : " ", "= ",
               node.domain.empty() ? node.op : quoted(node.domain, kNoLimit) + "." + node.op, "(",
               ids_text(node.inputs), ") ", quoted(node.name, kNoLimit));
    if (!node.attrs.empty()) {
      std::vector<std::string> parts;
      for (const auto& [key, value] : node.attrs.entries()) {
        parts.push_back(cat(key, "=", attribute_text(value, options)));
      }
      out += " {" + join(parts, ", ") + "}";
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      out += i == 0 ? " : " : "; ";
      out += node.outputs[i] == kNoValue ? "_" : graph.type(node.outputs[i]).text();
    }
    out += "\n";
    for (const Subgraph& sub : node.subgraphs) {
      out += cat(inner, "  sub ", quoted(sub.name, kNoLimit), " (", ids_text(sub.captures), ") = ");
      print(*sub.graph, options, inner + "  ", out);
    }
  }
  for (const ValueId id : graph.outputs()) out += cat(inner, "output %", id, "\n");
  out += indent + "}\n";
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::unique_ptr<Graph>> all() {
    SLUICE_ASSIGN(auto graph, parse_graph());
    skip();
    if (at_ != text_.size()) return fail("the end is expected");
    return graph;
  }

 private:
  Error fail(std::string_view what) const {
    size_t line = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n' ? 1 : 0;
    return invalid_model(cat("The graph text can't be read at line ", line, ": ", what));
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool peek(std::string_view token) {
    skip();
    return text_.substr(at_).starts_with(token);
  }
  bool eat(std::string_view token) {
    if (!peek(token)) return false;
    at_ += token.size();
    return true;
  }
  Result<void> expect(std::string_view token) {
    if (eat(token)) return {};
    return fail(cat("'", token, "' is expected"));
  }
  std::string_view word() {
    skip();
    const size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_' ||
            text_[at_] == '-' || text_[at_] == '+' || text_[at_] == '.')) {
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }
  Result<std::string> string() {
    SLUICE_TRY(expect("\""));
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      if (at_ + 4 > text_.size() || text_[at_ + 1] != 'x') return fail("an escape is \\xNN");
      out += static_cast<char>(
          std::strtol(std::string(text_.substr(at_ + 2, 2)).c_str(), nullptr, 16));
      at_ += 4;
    }
    SLUICE_TRY(expect("\""));
    return out;
  }
  // Everything up to one of `stops` outside brackets.
  std::string_view until(std::string_view stops) {
    skip();
    const size_t start = at_;
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (depth == 0 && stops.find(c) != std::string_view::npos) break;
      if (c == '[' || c == '(') ++depth;
      if (c == ']' || c == ')') --depth;
      ++at_;
    }
    return trim(text_.substr(start, at_ - start));
  }
  Result<int64_t> file_id() {
    SLUICE_TRY(expect("%"));
    const auto id = parse_int(word());
    if (!id || *id < 0 || *id > (1 << 28)) return fail("a value number is expected");
    return *id;
  }

  struct Scope {
    Graph* graph;
    std::vector<std::pair<int64_t, ValueId>> ids;
    Result<ValueId> find(const Parser& parser, int64_t id) const {
      for (auto it = ids.rbegin(); it != ids.rend(); ++it) {
        if (it->first == id) return it->second;
      }
      return parser.fail(cat("%", id, " is not defined"));
    }
  };

  Result<std::vector<ValueId>> id_list(const Scope& scope) {
    std::vector<ValueId> out;
    SLUICE_TRY(expect("("));
    while (!eat(")")) {
      if (!out.empty()) SLUICE_TRY(expect(","));
      if (eat("_")) {
        out.push_back(kNoValue);
        continue;
      }
      SLUICE_ASSIGN(const int64_t id, file_id());
      SLUICE_ASSIGN(const ValueId value, scope.find(*this, id));
      out.push_back(value);
    }
    return out;
  }

  Result<Tensor> tensor() {
    SLUICE_ASSIGN(const Type type, Type::parse(until("=")));
    SLUICE_TRY(expect("="));
    const auto shape = type.shape();
    if (!type.is_tensor() || !shape) return fail("a constant needs a concrete type");
    SLUICE_ASSIGN(Tensor out, Tensor::allocate(type.dtype, *shape));
    if (eat("x\"")) {
      const auto bytes = out.mutable_bytes();
      if (type.dtype == DType::kString || text_.size() - at_ < bytes.size() * 2) {
        return fail("the constant's bytes are cut off");
      }
      for (std::byte& byte : bytes) {
        unsigned value = 0;
        std::from_chars(text_.data() + at_, text_.data() + at_ + 2, value, 16);
        byte = static_cast<std::byte>(value);
        at_ += 2;
      }
      SLUICE_TRY(expect("\""));
      return out;
    }
    SLUICE_TRY(expect("["));
    for (int64_t i = 0; i < out.elements(); ++i) {
      if (i != 0) SLUICE_TRY(expect(","));
      if (type.dtype == DType::kString) {
        SLUICE_ASSIGN(out.mutable_data<std::string>()[i], string());
      } else if (is_floating(type.dtype)) {
        const auto value = parse_double(word());
        if (!value) return fail("a number is expected");
        out.set_double(i, *value);
      } else {
        const std::string_view digits = word();
        uint64_t large = 0;
        const auto value = parse_int(digits);
        if (value) {
          out.set_int(i, *value);
        } else if (std::from_chars(digits.data(), digits.data() + digits.size(), large).ec ==
                   std::errc()) {
          out.set_int(i, static_cast<int64_t>(large));
        } else {
          return fail("a number is expected");
        }
      }
    }
    SLUICE_TRY(expect("]"));
    return out;
  }

  Result<float> float_value() {
    std::string_view digits = word();
    if (!digits.ends_with("f")) return fail("a float ends with 'f'");
    digits.remove_suffix(1);
    const auto value = parse_double(digits == "in" ? "inf" : digits == "-in" ? "-inf" : digits);
    if (!value) return fail("a float is expected");
    return static_cast<float>(*value);
  }

  template <class T, class Item>
  Result<std::vector<T>> list(Item item) {
    std::vector<T> out;
    while (!eat("]")) {
      if (!out.empty()) SLUICE_TRY(expect(","));
      SLUICE_ASSIGN(T value, item());
      out.push_back(std::move(value));
    }
    return out;
  }
  Result<Tensor> wrapped_tensor() {
    SLUICE_TRY(expect("tensor("));
    SLUICE_ASSIGN(Tensor out, tensor());
    SLUICE_TRY(expect(")"));
    return out;
  }

  Result<Attribute> attribute() {
    if (peek("\"")) {
      SLUICE_ASSIGN(std::string value, string());
      return Attribute(std::move(value));
    }
    if (eat("tensors[")) {
      SLUICE_ASSIGN(auto value, list<Tensor>([&] { return wrapped_tensor(); }));
      return Attribute(std::move(value));
    }
    if (peek("tensor(")) {
      SLUICE_ASSIGN(Tensor value, wrapped_tensor());
      return Attribute(std::move(value));
    }
    if (eat("type(")) {
      SLUICE_ASSIGN(Type value, Type::parse(until(")")));
      SLUICE_TRY(expect(")"));
      return Attribute(std::move(value));
    }
    if (eat("floats[")) {
      SLUICE_ASSIGN(auto value, list<float>([&] { return float_value(); }));
      return Attribute(std::move(value));
    }
    if (eat("strings[")) {
      SLUICE_ASSIGN(auto value, list<std::string>([&] { return string(); }));
      return Attribute(std::move(value));
    }
    const auto integer = [&]() -> Result<int64_t> {
      const auto value = parse_int(word());
      if (!value) return fail("an integer is expected");
      return *value;
    };
    if (eat("[")) {
      SLUICE_ASSIGN(auto value, list<int64_t>(integer));
      return Attribute(std::move(value));
    }
    const size_t start = at_;
    if (word().ends_with("f")) {
      at_ = start;
      SLUICE_ASSIGN(const float value, float_value());
      return Attribute(value);
    }
    at_ = start;
    SLUICE_ASSIGN(const int64_t value, integer());
    return Attribute(value);
  }

  Result<void> node(Scope& scope) {
    Node made;
    std::vector<std::pair<int64_t, std::string>> outputs;  // -1: unnamed
    while (!eat("=")) {
      if (!outputs.empty()) SLUICE_TRY(expect(","));
      if (eat("_")) {
        outputs.emplace_back(-1, "");
        continue;
      }
      SLUICE_ASSIGN(const int64_t id, file_id());
      SLUICE_ASSIGN(std::string name, string());
      outputs.emplace_back(id, std::move(name));
    }
    if (peek("\"")) {
      SLUICE_ASSIGN(made.domain, string());
      SLUICE_TRY(expect("."));
    }
    made.op = word();
    if (made.op.empty()) return fail("an operator is expected");
    SLUICE_ASSIGN(made.inputs, id_list(scope));
    SLUICE_ASSIGN(made.name, string());
    if (eat("{")) {
      bool first = true;
      while (!eat("}")) {
        if (!first) SLUICE_TRY(expect(","));
        first = false;
        const std::string key(word());
        SLUICE_TRY(expect("="));
        SLUICE_ASSIGN(Attribute value, attribute());
        made.attrs.set(key, std::move(value));
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      SLUICE_TRY(expect(i == 0 ? ":" : ";"));
      if (outputs[i].first < 0) {
        SLUICE_TRY(expect("_"));
        made.outputs.push_back(kNoValue);
        continue;
      }
      SLUICE_ASSIGN(Type type, Type::parse(until(";\n")));
      const ValueId id = scope.graph->add_value(outputs[i].second, std::move(type));
      scope.ids.emplace_back(outputs[i].first, id);
      made.outputs.push_back(id);
    }
    while (eat("sub ")) {
      Subgraph sub;
      SLUICE_ASSIGN(sub.name, string());
      SLUICE_ASSIGN(sub.captures, id_list(scope));
      SLUICE_TRY(expect("="));
      SLUICE_ASSIGN(sub.graph, parse_graph());
      made.subgraphs.push_back(std::move(sub));
    }
    scope.graph->add_node(std::move(made));
    return {};
  }

  Result<std::unique_ptr<Graph>> parse_graph() {
    if (++depth_ > 64) return fail("subgraphs nest too deep (limit 64)");
    auto graph = std::make_unique<Graph>();
    Scope scope{graph.get(), {}};
    SLUICE_TRY(expect("graph"));
    SLUICE_ASSIGN(graph->name, string());
    SLUICE_TRY(expect("{"));
    while (!eat("}")) {
      if (eat("meta ")) {
        SLUICE_ASSIGN(std::string key, string());
        SLUICE_TRY(expect("="));
        SLUICE_ASSIGN(std::string value, string());
        graph->metadata.emplace_back(std::move(key), std::move(value));
      } else if (peek("input ") || peek("capture ")) {
        const bool input = eat("input ");
        if (!input) SLUICE_TRY(expect("capture "));
        SLUICE_ASSIGN(const int64_t id, file_id());
        SLUICE_ASSIGN(const std::string name, string());
        SLUICE_TRY(expect(":"));
        SLUICE_ASSIGN(Type type, Type::parse(until("\n")));
        scope.ids.emplace_back(id, input ? graph->add_input(name, std::move(type))
                                         : graph->add_capture(name, std::move(type)));
      } else if (eat("const ")) {
        SLUICE_ASSIGN(const int64_t id, file_id());
        SLUICE_ASSIGN(const std::string name, string());
        SLUICE_TRY(expect(":"));
        SLUICE_ASSIGN(Tensor value, tensor());
        scope.ids.emplace_back(id, graph->add_constant(name, std::move(value)));
      } else if (eat("output ")) {
        SLUICE_ASSIGN(const int64_t id, file_id());
        SLUICE_ASSIGN(const ValueId value, scope.find(*this, id));
        graph->outputs().push_back(value);
      } else {
        SLUICE_TRY(node(scope));
      }
    }
    --depth_;
    return graph;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string to_text(const Graph& graph, const TextOptions& options) {
  std::string out;
  print(graph, options, "", out);
  return out;
}

Result<std::unique_ptr<Graph>> parse_text(std::string_view text) { return Parser(text).all(); }

}  // namespace sluice::ir
