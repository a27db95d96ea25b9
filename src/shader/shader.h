// The shader table: every .wgsl file of the tree (src/ops/*/*.wgsl) by name, and their specialiser.
// A file is valid WGSL as it stands, apart from `// use <name>` lines, which paste
// shader/lib/<name>.wgsl; only lines marked `// knob:` are rewritten. Model text never reaches a
// shader.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/dispatch.h"

namespace sluice::shader {

struct Source {
  std::string_view name;  // file name without .wgsl
  std::string_view path;  // "src/ops/unary/unary.wgsl"
  std::string_view text;
};

// All shaders; the library's files are not among them.
std::span<const Source> sources();
const Source* find(std::string_view name);

// Names and allowed values of a shader's knobs, in file order. `any` when the line lists none.
struct Knob {
  std::string name;
  bool is_alias = false;  // `alias T = f32;` rather than `const WG : u32 = 256u;`
  std::string type;       // of a const: "u32", "i32", "f32", "bool"
  std::string default_value;
  std::vector<std::string> values;
};
std::vector<Knob> knobs(const Source& source);

// The text with library files pasted, knobs set, and `enable` lines in front as the knobs' types
// demand. An unknown knob or a value that is not listed is an internal error.
Result<std::string> specialise(std::string_view name, const plan::Knobs& knobs);

}  // namespace sluice::shader
