// The text form of a Graph: what passes are tested with and what a person reads. Printing in full
// and parsing gives the same graph back, weights included.
//
//   graph "mnist" {
//     input %0 "x": float32[N,1,28,28]
//     const %1 "w": float32[8,1,5,5] = x"3c2e..."
//     %2 "conv_out" = Conv(%0, %1) "conv1" {auto_pad="SAME_UPPER", strides=[1,1]} :
//     float32[N,8,28,28] output %2
//   }
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ir/graph.h"

namespace sluice::ir {

struct TextOptions {
  // Constants of more elements print as "..."; such a text can be read but not parsed. -1: all.
  int64_t max_constant_elements = -1;
};

std::string to_text(const Graph& graph, const TextOptions& options = {});
Result<std::unique_ptr<Graph>> parse_text(std::string_view text);

}  // namespace sluice::ir
