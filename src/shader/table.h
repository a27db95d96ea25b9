// The generated tables of shader texts (build: generated/shader_table.cc).
#pragma once

#include <span>

#include "shader/shader.h"

namespace sluice::shader {

std::span<const Source> table();    // src/ops/*/*.wgsl
std::span<const Source> library();  // src/shader/lib/*.wgsl

}  // namespace sluice::shader
