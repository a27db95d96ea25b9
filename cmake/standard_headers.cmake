# Parsing the same headers takes up to half of a source's compile time. System headers only, so that no edit of ours compiles
# everything. With SLUICE_LONG tools/wasm compiles without, which keeps the sources' own includes complete.
set(SLUICE_STANDARD_HEADERS <algorithm> <array> <cmath> <cstring> <expected> <functional> <limits> <map> <memory> <optional>
  <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>)
