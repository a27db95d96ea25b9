// Drops the branches of a specialised shader that its knobs rule out, so that a driver compiles one
// function of a family instead of all of them. A library of forty functions otherwise costs every
// pipeline forty functions' worth of compilation.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace sluice::shader {

// Knob name -> its value as written ("3u", "true").
using KnobValues = std::map<std::string, std::string, std::less<>>;

// Rewrites, line by line, `switch (KNOB) { case 1u: { ... } ... }` into the block of the clause
// that holds, and removes `if (KNOB == 3u) { ... }`, `if (KNOB) { ... }` and `if (!KNOB) { ... }`
// that do not hold and have no else. Whatever it can't read for certain stays.
std::string prune(std::string_view text, const KnobValues& knobs);

}  // namespace sluice::shader
