#include "ops/einsum/einsum.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "op/elements.h"
#include "op/operand.h"

namespace sluice::ops::einsum {

namespace {

using op::InferContext;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Labels of one term for an operand of `rank` axes; rank -1: the result, where "..." has
// `ellipsis_axes`.
Result<std::vector<int>> term_labels(std::string_view term, int rank, int ellipsis_axes) {
  int letters = 0;
  for (const char c : term) letters += is_letter(c) ? 1 : 0;
  const int spread = rank >= 0 ? rank - letters : ellipsis_axes;
  std::vector<int> out;
  bool ellipsis = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (is_letter(term[i])) {
      out.push_back(static_cast<unsigned char>(term[i]));
    } else if (term.substr(i).starts_with("...") && !ellipsis) {
      ellipsis = true;
      for (int k = spread; k-- > 0;) out.push_back(kEllipsis + k);
      i += 2;
    } else {
      return invalid_model(cat("Einsum's term ", quoted(term),
                               " has something else than letters "
                               "and one \"...\""));
    }
  }
  if (rank >= 0 && (spread < 0 || (spread > 0 && !ellipsis))) {
    return invalid_model(
        cat("Einsum's term ", quoted(term), " does not fit an operand of ", rank, " axes"));
  }
  return out;
}

}  // namespace

Result<Equation> parse_equation(std::string_view text, std::span<const int> ranks) {
  std::string plain;
  for (const char c : text) {
    if (c != ' ') plain += c;
  }
  const size_t arrow = plain.find("->");
  const std::vector<std::string> terms = split(std::string_view(plain).substr(0, arrow), ',');
  if (terms.size() != ranks.size()) {
    return invalid_model(cat("Einsum's equation ", quoted(text), " has ", terms.size(),
                             " terms for ", ranks.size(), " operands"));
  }
  Equation out;
  std::map<int, int> times;
  int ellipsis_axes = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    SLUICE_ASSIGN(std::vector<int> labels, term_labels(terms[i], ranks[i], 0));
    for (const int label : labels) {
      ++times[label];
      if (label >= kEllipsis) ellipsis_axes = std::max(ellipsis_axes, label - kEllipsis + 1);
    }
    out.inputs.push_back(std::move(labels));
  }
  if (arrow != std::string::npos) {
    SLUICE_ASSIGN(out.output,
                  term_labels(std::string_view(plain).substr(arrow + 2), -1, ellipsis_axes));
    std::map<int, int> once;
    for (const int label : out.output) {
      if (!times.contains(label) || ++once[label] > 1) {
        return invalid_model(cat("Einsum's equation ", quoted(text),
                                 " has a result label twice or one that no operand has"));
      }
    }
  } else {
    for (int k = ellipsis_axes; k-- > 0;) out.output.push_back(kEllipsis + k);
    for (const auto& [label, count] : times) {
      if (label < kEllipsis && count == 1) out.output.push_back(label);
    }
  }
  if (out.output.size() > kMaxRank) {
    return unsupported(
        cat("Einsum's result has ", out.output.size(), " axes (limit ", kMaxRank, ")"));
  }
  return out;
}

namespace {

Result<void> infer_einsum(InferContext& context) {
  SLUICE_ASSIGN(const DType dtype, op::common_dtype(context, 0, -1, op::kNumbers));
  std::vector<int> ranks;
  context.set_output(0, dtype);
  for (int i = 0; i < context.input_count(); ++i) {
    SLUICE_TRY(op::input_dtype(context, i));
    const Type& in = context.input_type(i);
    if (!in.has_rank()) return {};
    ranks.push_back(static_cast<int>(in.dims->size()));
  }
  SLUICE_ASSIGN(
      const Equation equation,
      op::in_node(context, parse_equation(context.attrs().string_or("equation", ""), ranks)));
  std::map<int, Dim> extents;
  for (size_t i = 0; i < equation.inputs.size(); ++i) {
    const Dims& dims = *context.input_type(static_cast<int>(i)).dims;
    for (size_t k = 0; k < dims.size(); ++k) {
      const auto [entry, fresh] = extents.try_emplace(equation.inputs[i][k], dims[k]);
      if (fresh) continue;
      auto both = broadcast(Dims{entry->second}, Dims{dims[k]});
      if (!both) return context.fail(both.error().message);
      entry->second = (*both)[0];
    }
  }
  Dims out;
  for (const int label : equation.output) out.push_back(extents[label]);
  context.set_output(0, dtype, std::move(out));
  return {};
}

// Multiply-adds when the operands are taken one after the other; close enough for planning.
op::Cost cost_einsum(const op::NodeView& node) {
  double flops = 2;
  const Type& out = node.output_type(0);
  std::vector<int> ranks;
  for (int i = 0; i < node.input_count(); ++i) {
    const auto shape = node.input_type(i).shape();
    if (!shape) return {};
    ranks.push_back(shape->rank());
  }
  const auto equation = parse_equation(node.attrs().string_or("equation", ""), ranks);
  if (!equation || !out.shape()) return {};
  std::map<int, int64_t> extents;
  for (size_t i = 0; i < equation->inputs.size(); ++i) {
    for (size_t k = 0; k < equation->inputs[i].size(); ++k) {
      int64_t& extent = extents.try_emplace(equation->inputs[i][k], 1).first->second;
      extent =
          std::max(extent, (*node.input_type(static_cast<int>(i)).shape())[static_cast<int>(k)]);
    }
  }
  for (const auto& [label, extent] : extents) flops *= static_cast<double>(extent);
  return {.flops = flops};
}

constexpr op::OpDef kDefs[] = {
    {.name = "Einsum",
     .min_inputs = 1,
     .max_inputs = -1,
     .infer = infer_einsum,
     .reference = einsum_reference,
     .cost = cost_einsum},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kDefs; }

}  // namespace sluice::ops::einsum
