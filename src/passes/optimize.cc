#include "passes/optimize.h"

#include "base/text.h"
#include "ir/verify.h"
#include "passes/eliminate_dead.h"
#include "passes/eliminate_identity.h"
#include "passes/eliminate_transpose.h"
#include "passes/fold_constants.h"
#include "passes/fuse_conv.h"
#include "passes/fuse_quantized.h"
#include "passes/hold_float16.h"
#include "passes/inline_if.h"
#include "passes/sink_resize.h"
#include "passes/widen_float16.h"

namespace sluice::passes {

namespace {
// A pass that looks for an operator need not run where there is none; subgraphs count for nothing,
// since these passes leave them alone. In a page a function that is not called is not compiled.
bool has(const ir::Graph& graph, std::string_view op) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.op == op) return true;
  }
  return false;
}
}  // namespace

Result<std::vector<std::string>> optimize(const op::Registry& registry, ir::Graph& graph,
                                          const OptimizeOptions& options) {
  std::vector<std::string> log;
  const auto note = [&](std::string_view pass, int count) {
    if (count != 0) log.push_back(cat(pass, ": ", count));
  };
  note("eliminate_dead", eliminate_dead(graph));
  if (options.widen_float16 && has_float16_weights(graph)) {
    SLUICE_ASSIGN(const bool widened, widen_float16(registry, graph, options.hold_float16));
    note("widen_float16", widened ? 1 : 0);
  }
  FoldOptions fold;
  fold.keep_outputs = options.keep_outputs;
  fold.hold_float16 = options.hold_float16;
  const bool on_bytes = options.fuse && options.fuse_for_cpu && has_quantized_operators(graph) &&
                        registry.find("", "QLinearConv") != nullptr;
  fold.keep_quantized = on_bytes;
  SLUICE_ASSIGN(const int folded, fold_constants(registry, graph, fold));
  note("fold_constants", folded);
  // A branch that is taken tells shapes, which decide further conditions.
  int inlined = 0;
  for (int more = has(graph, "If") ? 1 : 0; more != 0;) {
    SLUICE_ASSIGN(more, inline_if(registry, graph));
    inlined += more;
    if (more == 0) break;
    SLUICE_ASSIGN(const int again, fold_constants(registry, graph, fold));
    note("fold_constants", again);
  }
  note("inline_if", inlined);
  if (options.fuse) {
    note("eliminate_identity", eliminate_identity(graph));
    if (has(graph, "Transpose")) note("eliminate_transpose", eliminate_transpose(graph));
    eliminate_dead(graph);
    if (on_bytes) {
      SLUICE_ASSIGN(const int quantized, fuse_quantized(registry, graph));
      note("fuse_quantized", quantized);
      fold.keep_quantized = false;
      SLUICE_ASSIGN(const int rest, fold_constants(registry, graph, fold));
      note("fold_constants", rest);
    }
    if (has(graph, "BatchNormalization")) {
      SLUICE_ASSIGN(const int normalizations, fold_batch_normalization(graph));
      note("fold_batch_normalization", normalizations);
    }
    if (options.fuse_for_cpu) {
      if (has(graph, "Transpose") && registry.find("", "Reshape") != nullptr) {
        note("reshape_for_transpose", reshape_for_transpose(graph));
      }
      if (has(graph, "Resize")) note("sink_resize", sink_resize(graph));
      if (registry.find("", "Identity") != nullptr) {
        note("name_outputs_by_identity", name_outputs_by_identity(graph));
      }
    }
    if (has(graph, "Conv") && registry.find("sluice", "FusedConv") != nullptr) {
      note("fuse_conv", fuse_conv(graph));
    }
    if (has(graph, "ConvInteger") && (options.fuse_for_cpu || options.fuse_dynamic_quantization) &&
        registry.find("sluice", "DynamicQuantizedConv") != nullptr) {
      note("fuse_dynamic_quantized_conv", fuse_dynamic_quantized_conv(graph));
    }
  }
  if (options.hold_float16) {
    SLUICE_ASSIGN(const int held, hold_float16(graph));
    note("hold_float16", held);
  }
  SLUICE_TRY(ir::verify(graph));
  return log;
}

}  // namespace sluice::passes
