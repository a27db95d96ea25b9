// All operators' case tables, for tests and benchmarks only. Generated like the registry.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "op/case.h"

namespace sluice::ops {

struct CaseTable {
  std::string_view family;
  std::vector<op::Case> (*cases)();
};

std::span<const CaseTable> case_tables();

}  // namespace sluice::ops
