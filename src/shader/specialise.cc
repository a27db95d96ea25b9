#include <algorithm>

#include "base/text.h"
#include "shader/prune.h"
#include "shader/shader.h"
#include "shader/table.h"

namespace sluice::shader {

namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// `const NAME : TYPE = VALUE; // knob: A B` or `alias NAME = VALUE; // knob: A B`.
std::optional<Knob> knob_of(std::string_view line) {
  const size_t mark = line.find("// knob:");
  if (mark == std::string_view::npos) return std::nullopt;
  Knob knob;
  std::string_view head = trim(line.substr(0, mark));
  const size_t equals = head.find('=');
  const size_t end = head.rfind(';');
  if (equals == std::string_view::npos || end == std::string_view::npos) return std::nullopt;
  knob.default_value = std::string(trim(head.substr(equals + 1, end - equals - 1)));
  std::string_view left = trim(head.substr(0, equals));
  if (left.starts_with("alias ")) {
    knob.is_alias = true;
    knob.name = std::string(trim(left.substr(6)));
  } else if (left.starts_with("const ")) {
    const size_t colon = left.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    knob.name = std::string(trim(left.substr(6, colon - 6)));
    knob.type = std::string(trim(left.substr(colon + 1)));
  } else {
    return std::nullopt;
  }
  std::string_view rest = trim(line.substr(mark + 8));
  while (!rest.empty()) {
    const size_t space = rest.find(' ');
    knob.values.emplace_back(rest.substr(0, space));
    rest = space == std::string_view::npos ? std::string_view{} : trim(rest.substr(space));
  }
  if (knob.values == std::vector<std::string>{"any"}) knob.values.clear();
  return knob;
}

const Source* find_in(std::span<const Source> table, std::string_view name) {
  const auto at = std::ranges::find(table, name, &Source::name);
  return at == table.end() ? nullptr : &*at;
}

struct Text {
  std::string out;
  std::vector<std::string> pasted;
  KnobValues values;
};

Result<void> paste(std::string_view text, std::string_view who, const plan::Knobs& knobs,
                   std::vector<std::string>& seen, Text& result) {
  for (const std::string_view line : lines_of(text)) {
    const std::string_view bare = trim(line);
    if (bare.starts_with("// use ")) {
      const std::string name(trim(bare.substr(7)));
      if (std::ranges::count(result.pasted, name) != 0) continue;
      result.pasted.push_back(name);
      const Source* lib = find_in(library(), name);
      if (lib == nullptr) {
        return internal_error(cat("Shader ", who, " uses the unknown library file ", quoted(name)));
      }
      SLUICE_TRY(paste(lib->text, name, knobs, seen, result));
      continue;
    }
    if (const auto knob = knob_of(line)) {
      const auto set =
          std::ranges::find(knobs, knob->name, &std::pair<std::string, std::string>::first);
      const std::string& value = set == knobs.end() ? knob->default_value : set->second;
      seen.push_back(knob->name);
      // Lists give bare numbers; texts carry the type's suffix.
      const auto same = [&](const std::string& allowed) {
        return allowed == value || allowed + "u" == value || allowed + "f" == value;
      };
      if (!knob->values.empty() && std::ranges::none_of(knob->values, same)) {
        return internal_error(cat("Shader ", who, ": the knob ", knob->name, " can't be ",
                                  quoted(value), " (", join(knob->values, ", "), ")"));
      }
      result.values[knob->name] = value;
      result.out += knob->is_alias
                        ? cat("alias ", knob->name, " = ", value, ";\n")
                        : cat("const ", knob->name, " : ", knob->type, " = ", value, ";\n");
      continue;
    }
    result.out += line;
    result.out += '\n';
  }
  return {};
}

}  // namespace

std::span<const Source> sources() { return table(); }

const Source* find(std::string_view name) { return find_in(table(), name); }

std::vector<Knob> knobs(const Source& source) {
  std::vector<Knob> result;
  for (const std::string_view line : lines_of(source.text)) {
    if (auto knob = knob_of(line)) result.push_back(std::move(*knob));
  }
  return result;
}

Result<std::string> specialise(std::string_view name, const plan::Knobs& knobs) {
  const Source* source = find(name);
  if (source == nullptr) return internal_error(cat("There is no shader ", quoted(name)));
  Text text;
  std::vector<std::string> seen;
  SLUICE_TRY(paste(source->text, name, knobs, seen, text));
  for (const auto& [knob, value] : knobs) {
    if (std::ranges::count(seen, knob) == 0) {
      return internal_error(cat("Shader ", name, " has no knob ", quoted(knob)));
    }
  }
  text.out = prune(text.out, text.values);
  std::string head;
  const auto any_value = [&](std::string_view wanted) {
    return std::ranges::any_of(
        knobs, [&](const auto& knob) { return knob.second.find(wanted) != std::string::npos; });
  };
  if (any_value("f16")) head += "enable f16;\n";
  if (text.out.find("subgroupAdd(") != std::string::npos) head += "enable subgroups;\n";
  if (text.out.find("\n// needs packed_dot") != std::string::npos) {
    head += "requires packed_4x8_integer_dot_product;\n";
  }
  return head + text.out;
}

}  // namespace sluice::shader
