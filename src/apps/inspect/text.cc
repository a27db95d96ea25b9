#include "apps/inspect/text.h"

#include <algorithm>

#include "apps/inspect/parts.h"
#include "base/text.h"

namespace sluice::apps::inspect {

namespace {

// Columns on a terminal, counted in code points: "é" and "→" take one.
size_t width_of(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return width;
}

// Rows with aligned columns; a column marked right is flush right. Trailing spaces are not written.
class Table {
 public:
  explicit Table(std::string right) : right_(std::move(right)) {}  // one of 'l', 'r' per column
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  std::string text(std::string_view indent) const {
    std::vector<size_t> widths(right_.size(), 0);
    for (const auto& cells : rows_) {
      for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width_of(cells[i]));
    }
    std::string out;
    for (const auto& cells : rows_) {
      std::string line(indent);
      for (size_t i = 0; i < cells.size(); ++i) {
        const std::string pad(widths[i] - width_of(cells[i]), ' ');
        if (i > 0) line += "  ";
        line += right_[i] == 'r' ? pad + cells[i] : cells[i] + pad;
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  std::string right_;
  std::vector<std::vector<std::string>> rows_;
};

std::string heading(std::string_view title) { return cat("\n", title, "\n"); }

std::string percent(double part, double whole) {
  if (whole <= 0 || part <= 0) return "";
  const double share = 100.0 * part / whole;
  if (share < 0.95) return "<1 %";
  return cat(static_cast<int64_t>(share + 0.5), " %");
}

void put_components(const std::vector<Component>& components, const std::string& indent, int depth,
                    size_t& budget, Table& table) {
  for (const Component& one : components) {
    if (budget == 0) return;
    --budget;
    table.row({cat(indent, plain(one.name, 44),
                   one.repeats > 1 ? cat("  ×", one.repeats) : std::string()),
               cat(one.nodes, one.nodes == 1 ? " node" : " nodes"),
               one.parameters > 0 ? count_text(one.parameters) : std::string(),
               one.flops > 0 ? flops_text(one.flops) : std::string(),
               operators_text(one.operators, 3)});
    if (depth > 1) put_components(one.children, indent + "  ", depth - 1, budget, table);
  }
}

}  // namespace

std::string to_text(const Report& report, const TextOptions& options) {
  std::string out;
  out +=
      cat(plain(report.file, 200), "  ", report.format, ", ", human_bytes(report.file_bytes), "\n");
  out += cat("  sha256 ", report.sha256, "\n");
  for (const auto& [key, value] : report.metadata) {
    if (value.empty()) continue;
    out += cat("  ", plain(key, 40), ": ", plain(value, 100), "\n");
  }
  for (const std::string& note : report.notes) out += cat("  ! ", plain(note, 600), "\n");

  out += heading("At a glance");
  Table glance("ll");
  glance.row({"parameters", cat(count_text(report.parameters), " in ", report.weights.size(),
                                " tensors, ", human_bytes(report.memory.weight_bytes))});
  if (report.imported) {
    glance.row({"work", report.flops > 0 ? cat(flops_text(report.flops), " a run")
                                         : std::string("not known")});
    if (report.nodes_without_cost > 0) {
      glance.row(
          {"", cat("and that of ", report.nodes_without_cost,
                   " nodes whose shapes the file leaves open (--shape NAME=... fixes them)")});
    }
    std::string peak = human_bytes(report.memory.activation_peak_bytes);
    if (!report.memory.peak_node.empty()) peak += cat(" at ", plain(report.memory.peak_node, 70));
    glance.row({"activations", cat(peak, "; ", human_bytes(report.memory.activation_sum_bytes),
                                   " without reuse")});
    if (!report.memory.assumption.empty()) {
      glance.row({"", cat("with ", report.memory.assumption, ", since the file leaves it open")});
    }
    if (report.memory.unknown_values > 0) {
      glance.row({"", cat(report.memory.unknown_values,
                          " values left out: their size is known only at run time")});
    }
  }
  out += glance.text("  ");

  const auto ports = [&](const char* title, const std::vector<Io>& list) {
    out += heading(title);
    Table table("ll");
    for (const Io& one : list) {
      table.row({plain(one.name), one.type});
      if (!one.hint.empty()) table.row({"", "· " + one.hint});
    }
    out += table.text("  ");
  };
  ports("Inputs", report.inputs);
  ports("Outputs", report.outputs);

  const auto operators = [&](const std::string& title, const std::vector<OperatorRow>& list) {
    int64_t count = 0;
    double flops = 0;
    for (const OperatorRow& row : list) {
      count += row.count;
      flops += row.flops;
    }
    out += heading(
        cat(title, ": ", count, " of ", list.size(), list.size() == 1 ? " kind" : " kinds"));
    Table table("rlrrl");
    for (const OperatorRow& row : list) {
      table.row({cat(row.count), plain(row.name),
                 row.flops > 0 ? flops_text(row.flops) : std::string(), percent(row.flops, flops),
                 row.note.empty() ? std::string() : cat("! ", plain(row.note, 160))});
    }
    out += table.text("  ");
  };
  operators("Operators", report.file_operators);
  if (report.format != "ONNX" && !report.graph_operators.empty()) {
    operators("As ONNX operators after import", report.graph_operators);
  }

  out += heading("Quantization");
  for (const std::string& sentence : report.quantization)
    out += cat("  ", plain(sentence, 300), "\n");

  if (!report.stages.empty()) {
    out += heading("Data flow");
    constexpr size_t kMostStages = 48;
    Table table("rlllrl");
    for (size_t i = 0; i < report.stages.size() && i < kMostStages; ++i) {
      const Stage& stage = report.stages[i];
      std::string from;
      for (const int source : stage.from) {
        if (source == static_cast<int>(i) - 1) continue;
        from += cat(from.empty() ? "" : " ", source < 0 ? std::string("input") : cat(source + 1));
      }
      const bool chained = std::find(stage.from.begin(), stage.from.end(),
                                     static_cast<int>(i) - 1) != stage.from.end();
      std::string arrow = i == 0 ? "" : chained ? "↓" : " ";
      if (!from.empty() && !(i == 0 && from == "input"))
        arrow += cat(chained ? " + " : "from ", from);
      table.row({cat(i + 1), stage.name.empty() ? std::string("(unnamed)") : plain(stage.name, 40),
                 arrow, plain(stage.output, 40),
                 stage.flops > 0 ? flops_text(stage.flops) : std::string(), stage.operators});
    }
    out += table.text("  ");
    if (report.stages.size() > kMostStages) {
      out += cat("  ... and ", report.stages.size() - kMostStages, " more (--json lists all)\n");
    }
  }
  if (!report.components.empty()) {
    out += heading("Components (nodes, parameters, work)");
    Table table("lrrrl");
    size_t budget = 48;
    put_components(report.components, "", report.components.size() > 16 ? 1 : 2, budget, table);
    out += table.text("  ");
    if (budget == 0) out += "  ...\n";
  }
  if (!report.repetitions.empty()) {
    out += heading("Repeated blocks, by their operators");
    Table table("rll");
    for (const Repetition& one : report.repetitions) {
      table.row({cat(one.times, " ×"), one.operators, cat("from node ", one.first_node)});
    }
    out += table.text("  ");
  }

  out += heading(cat("Weights: ", human_bytes(report.memory.weight_bytes)));
  Table bytes("rlr");
  for (const auto& [dtype, size] : report.weight_bytes_by_dtype) {
    bytes.row(
        {human_bytes(size), dtype,
         percent(static_cast<double>(size), static_cast<double>(report.memory.weight_bytes))});
  }
  out += bytes.text("  ");
  std::vector<const WeightRow*> rows;
  for (const WeightRow& row : report.weights) rows.push_back(&row);
  constexpr size_t kLargest = 12;
  if (!options.all_weights && rows.size() > kLargest) {
    std::stable_sort(rows.begin(), rows.end(), [](const WeightRow* a, const WeightRow* b) {
      return a->size_bytes > b->size_bytes;
    });
    rows.resize(kLargest);
    out +=
        cat("  the ", kLargest, " largest of ", report.weights.size(), " (--weights lists all):\n");
  }
  Table weights("lllrll");
  for (const WeightRow* row : rows) {
    weights.row({plain(row->name, 44), row->dtype, row->shape, human_bytes(row->size_bytes),
                 row->readers == 0 ? std::string("unused") : plain(row->used_by, 44),
                 row->quantization});
  }
  out += weights.text("  ");
  if (!report.tied.empty()) {
    out += heading("Tied weights (one copy is enough)");
    for (const TiedWeights& tied : report.tied) {
      std::string names;
      for (size_t i = 0; i < tied.names.size() && i < 4; ++i) {
        names += cat(names.empty() ? "" : " = ", plain(tied.names[i], 50));
      }
      if (tied.names.size() > 4) names += cat(" = ", tied.names.size() - 4, " more");
      std::string readers;
      for (const std::string& reader : tied.readers)
        readers += cat(readers.empty() ? "" : ", ", plain(reader, 40));
      out += cat("  ", human_bytes(tied.size_bytes), "  ", names, "  read by ", readers, "\n");
    }
  }

  if (report.imported) {
    const LimitsFit& fit = report.fit;
    out += heading(cat("Fit into ", plain(fit.limits.source, 200)));
    Table table("ll");
    table.row(
        {"tensors bound by one node",
         cat("at most ", fit.most_buffers, " (limit ", fit.limits.storage_buffers_per_stage, ")",
             fit.most_buffers > fit.limits.storage_buffers_per_stage
                 ? cat(": ", plain(fit.most_buffers_node, 60))
                 : std::string())});
    table.row({"largest tensor", cat(human_bytes(fit.largest_tensor_bytes), " (limit ",
                                     human_bytes(fit.limits.storage_binding_bytes),
                                     " in one binding): ", plain(fit.largest_tensor, 60))});
    if (fit.wide_grids > 0) {
      table.row({"grids",
                 cat(fit.wide_grids, " nodes have more than ", fit.limits.workgroups_per_dimension,
                     " workgroups: their grid takes two dimensions")});
    }
    out += table.text("  ");
    if (fit.over.empty()) {
      out += "  Every node fits as it is.\n";
    } else {
      out += cat("  ", fit.over.size(), fit.over.size() == 1 ? " node exceeds" : " nodes exceed",
                 " a limit as it stands:\n");
      for (size_t i = 0; i < fit.over.size() && i < 20; ++i) {
        out += cat("    ", plain(fit.over[i].node, 80), " ", fit.over[i].sentence, "\n");
      }
      if (fit.over.size() > 20)
        out += cat("    ... and ", fit.over.size() - 20, " more (--json lists all)\n");
    }
  }
  return out;
}

}  // namespace sluice::apps::inspect
