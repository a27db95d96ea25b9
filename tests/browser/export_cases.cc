// sluice_export_cases: every operator's case table, compiled for WebGPU and written down as
// programs (exec/null/program.h) with the reference's results, for tests/browser/run.mjs to run in
// browsers.
//
//   sluice_export_cases OUT [--limit N] [--long] [--family NAME] [--model NAME=FILE]...
//
// Each case is compiled with fixed and with symbolic shapes ("fixed", "symbolic"), and once more
// for a device with shader-f16, its float32 inputs rounded to float16 ("half", "half_symbolic").
// Where that makes another plan, it is also compiled for devices with packed dot products
// ("packed") and with subgroups ("subgroups"), and with Winograd's convolution whatever its
// estimate says ("winograd"). A program says what of the browser it needs. Of a family, every
// pipeline that any of these needs is taken at least once, by the cheapest case that has it; then
// cases are taken evenly up to N. --long takes all.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "compile/compile_gpu.h"
#include "conformance/case_graph.h"
#include "exec/null/program.h"
#include "op/interpreter.h"
#include "ops/case_tables.h"
#include "ops/registry.h"
#include "passes/fix_inputs.h"
#include "passes/optimize.h"
#include "plan/device_layout.h"
#include "session/session.h"

namespace sluice {
namespace {

struct Options {
  std::string out;
  size_t limit = 60;  // cases of a family, beyond those that the knobs need
  bool all = false;
  std::string family;
  std::vector<std::string> models;  // NAME=FILE
};

// A case that costs more is not among those taken evenly: software adapters compute 1e9 a second.
constexpr double kEvenFlops = 2e7;

// What a device may add to the case's own tolerance, which is that of double accumulation.
// float32: WGSL allows exp 3 + 2|x| ULP, division 2.5 ULP, and sums in any order.
// float16: inputs are rounded before both sides see them. The reference rounds once, to nearest:
// half a unit, 2^-11. The device computes in float32 and stores with either neighbour (WGSL's
// "correctly rounded"): a unit, 2^-10. Below 2^-14, where halves are subnormal, it may flush.
// bfloat16 is the same with 2^-9 and 2^-8.
struct Tolerance {
  double atol, rtol;
};
Tolerance tolerance_of(const op::Case& c, DType dtype, Tolerance least) {
  Tolerance t = {std::max(c.atol, least.atol), std::max(c.rtol, least.rtol)};
  if (dtype == DType::kFloat16) {
    t.rtol += 1.5 * std::ldexp(1.0, -10);
    t.atol += std::ldexp(1.0, -14);
  } else if (dtype == DType::kBFloat16) {
    t.rtol += 1.5 * std::ldexp(1.0, -8);
  }
  return t;
}

struct Variant {
  const char* name;
  bool half = false, symbolic = false;
  plan::Features features = {};  // besides f16
  std::string_view kernel = "";  // taken wherever it can be
  // In the text of a shader of every plan that is worth writing down; empty: any plan.
  std::string_view mark = "";
  std::string_view need = "";  // of the browser, besides shader-f16
  Tolerance least = {2e-6, 2e-6};
};
// Winograd's transforms amplify roundings: the tolerance of layers.
constexpr Variant kVariants[] = {
    {.name = "fixed"},
    {.name = "half", .half = true},
    {.name = "symbolic", .symbolic = true},
    {.name = "half_symbolic", .half = true, .symbolic = true},
    {.name = "packed",
     .features = {.packed_dot = true},
     .mark = "dot4",
     .need = "packed_4x8_integer_dot_product"},
    {.name = "packed_symbolic",
     .symbolic = true,
     .features = {.packed_dot = true},
     .mark = "dot4",
     .need = "packed_4x8_integer_dot_product"},
    {.name = "winograd", .kernel = "conv.winograd", .mark = "winograd", .least = {1e-4, 1e-3}},
    {.name = "winograd_symbolic",
     .symbolic = true,
     .kernel = "conv.winograd",
     .mark = "winograd",
     .least = {1e-4, 1e-3}},
    {.name = "subgroups",
     .features = {.subgroups = true},
     .mark = "subgroupAdd(",
     .need = "subgroups"},
    {.name = "subgroups_half",
     .half = true,
     .features = {.subgroups = true},
     .mark = "subgroupAdd(",
     .need = "subgroups"},
};
const Variant& kFixed = kVariants[0];
const Variant& kHalf = kVariants[1];
const Variant& kPacked = kVariants[4];

// Whether the plan has what the variant is for.
bool shows(const plan::Plan& plan, const Variant& variant) {
  return variant.mark.empty() || std::ranges::any_of(plan.pipelines, [&](const auto& pipeline) {
           return pipeline.shader.find(variant.mark) != std::string::npos ||
                  pipeline.wgsl.find(variant.mark) != std::string::npos;
         });
}

Value to_half(const Value& value) {
  if (!value.is_tensor() || value.tensor().dtype() != DType::kFloat32) return value;
  auto half = converted(value.tensor(), DType::kFloat16);
  SLUICE_CHECK(half.ok());
  return std::move(half).value();
}

op::Case with_halves(op::Case c) {
  for (Value& value : c.inputs) value = to_half(value);
  return c;
}

struct PlanAndInputs {
  std::shared_ptr<plan::Plan> plan;
  std::vector<Value> inputs;  // in the plan's order
  bool has_island() const {
    return std::ranges::any_of(plan->steps,
                               [&](const plan::Step& step) { return plan->is_island(step); });
  }
};

// As a session does: what a compilation asks for is told to the next one.
Result<PlanAndInputs> plan_of(const ir::Graph& graph, std::span<const Value> feeds,
                              const Variant& variant) {
  const op::Registry& registry = ops::registry();
  PlanAndInputs made;
  std::set<std::string> constants;
  bool fixed_shapes = false;
  constexpr int kMaxRounds = 4;
  for (int round = 0; round < kMaxRounds; ++round) {
    auto g = graph.clone();
    if (round > 0) SLUICE_TRY(passes::fix_inputs(registry, *g, feeds, constants, fixed_shapes));
    passes::OptimizeOptions how;
    how.keep_outputs = true;
    how.widen_float16 = false;
    how.fuse_dynamic_quantization = variant.features.packed_dot;
    SLUICE_TRY(passes::optimize(registry, *g, how));
    compile::GpuOptions gpu;
    gpu.features = variant.features;
    gpu.features.f16 = variant.half;
    if (!variant.kernel.empty()) gpu.kernels = {std::string(variant.kernel)};
    SLUICE_ASSIGN(compile::GpuProgram program, compile::compile_gpu(registry, *g, gpu));
    made.plan = program.plan;
    made.inputs.clear();
    for (const ir::ValueId id : g->inputs()) {
      for (size_t i = 0; i < feeds.size(); ++i) {
        if (graph.value(graph.inputs()[i]).name == g->value(id).name)
          made.inputs.push_back(feeds[i]);
      }
    }
    const size_t known = constants.size();
    const bool fixed = fixed_shapes;
    constants.insert(program.wanted_inputs.begin(), program.wanted_inputs.end());
    fixed_shapes |= program.wants_static;
    if (constants.size() == known && fixed == fixed_shapes) break;
  }
  return made;
}

struct Compiled {
  const op::Case* original = nullptr;
  op::Case c;
  const Variant* variant = nullptr;
  PlanAndInputs run;
  std::set<std::string> pairs;  // shaders with two of their knobs
  double flops = 0;
  uint64_t bytes = 0;
  bool has_half = false;
};

Result<Compiled> compile(const op::Case& c, const Variant& variant) {
  Compiled made;
  made.c = variant.half ? with_halves(c) : c;
  made.variant = &variant;
  auto graph = conformance::graph_of(made.c, variant.symbolic);
  SLUICE_TRY(op::infer_graph(ops::registry(), *graph));
  SLUICE_ASSIGN(made.run, plan_of(*graph, conformance::feeds_of(made.c), variant));
  for (const plan::Pipeline& pipeline : made.run.plan->pipelines) {
    made.pairs.insert(pipeline.shader);
    for (size_t i = 0; i < pipeline.knobs.size(); ++i) {
      for (size_t j = i + 1; j < pipeline.knobs.size(); ++j) {
        const auto& [a, value_a] = pipeline.knobs[i];
        const auto& [b, value_b] = pipeline.knobs[j];
        made.pairs.insert(cat(pipeline.shader, " ", a, "=", value_a, " ", b, "=", value_b));
      }
      const auto& [name, value] = pipeline.knobs[i];
      made.pairs.insert(cat(pipeline.shader, " ", name, "=", value));
    }
  }
  for (const plan::Step& step : made.run.plan->steps) made.flops += step.flops;
  for (const plan::Slot& slot : made.run.plan->slots) {
    made.has_half |= slot.type.dtype == DType::kFloat16;
  }
  for (const Value& value : made.c.inputs) {
    if (value.is_tensor()) made.bytes += value.tensor().size_bytes();
  }
  return made;
}

// {"name", "op", "variant", "f16", "need", "program", "expected"}.
Result<std::string> to_json(std::string_view op, std::string_view name, const Variant& variant,
                            const PlanAndInputs& run, std::span<const Value> truth,
                            FunctionRef<std::string(const Tensor&)> tolerance) {
  SLUICE_ASSIGN(const std::string program, exec::null::to_program(*run.plan, run.inputs));
  std::string expected;
  for (size_t i = 0; i < truth.size(); ++i) {
    if (!expected.empty()) expected += ",";
    const plan::SlotId id = run.plan->outputs[i];
    if (id == plan::kNoSlot || !truth[i].is_tensor() ||
        run.plan->slot(id).format == plan::DeviceFormat::kNone) {
      expected += "null";
      continue;
    }
    const Tensor& tensor = truth[i].tensor();
    SLUICE_ASSIGN(const std::vector<std::byte> bytes,
                  plan::to_device(tensor, run.plan->slot(id).format));
    expected += cat("{", tolerance(tensor), ",\"data\":\"", exec::null::base64(bytes), "\"}");
  }
  return cat("{\"name\":\"", name, "\",\"op\":\"", op, "\",\"variant\":\"", variant.name,
             "\",\"f16\":", variant.half, ",\"need\":\"", variant.need, "\",\"program\":", program,
             ",\"expected\":[", expected, "]}");
}

Result<std::string> write(const Compiled& made) {
  auto graph = conformance::graph_of(made.c, false);
  SLUICE_TRY(op::infer_graph(ops::registry(), *graph));
  SLUICE_ASSIGN(const std::vector<Value> truth,
                op::interpret(ops::registry(), *graph, conformance::feeds_of(made.c)));
  const auto tolerance = [&](const Tensor& tensor) {
    const Tolerance t = tolerance_of(*made.original, tensor.dtype(), made.variant->least);
    return cat("\"atol\":", t.atol, ",\"rtol\":", t.rtol);
  };
  return to_json(made.c.op, made.c.name, *made.variant, made.run, truth, tolerance);
}

struct Count {
  int islands = 0, nothing_to_dispatch = 0, no_half_form = 0, left_out = 0, same = 0, written = 0;
};

bool export_family(const ops::CaseTable& table, const Options& options, Count& total) {
  const std::vector<op::Case> cases = table.cases();
  std::vector<Compiled> all;
  Count count;
  for (const op::Case& c : cases) {
    const op::OpDef* def = ops::registry().find(c.domain, c.op);
    if (def == nullptr || !def->deterministic) continue;
    for (const Variant& variant : kVariants) {
      auto made = compile(c, variant);
      if (!made.ok()) {
        // Half inputs need not suit the operator; the cases as they stand must compile.
        if (!variant.half || made.error().code == ErrorCode::kInternal) {
          std::fprintf(stderr, "%s %s: %s\n", c.op.c_str(), c.name.c_str(),
                       made.error().text().c_str());
          return false;
        }
        ++count.no_half_form;
        continue;
      }
      if (variant.half && !made->has_half) continue;
      if (made->run.has_island()) {
        ++count.islands;
        continue;
      }
      if (!shows(*made->run.plan, variant)) continue;
      if (made->pairs.empty()) {
        ++count.nothing_to_dispatch;
        continue;
      }
      made->original = &c;
      all.push_back(std::move(made).value());
    }
  }
  std::vector<size_t> order(all.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto cost = [&](size_t i) { return all[i].flops + static_cast<double>(all[i].bytes); };
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return cost(a) < cost(b); });
  std::vector<bool> taken(all.size());
  std::set<std::string> seen;
  for (const size_t i : order) {
    for (const std::string& key : all[i].pairs) {
      if (seen.insert(key).second) taken[i] = true;
    }
  }
  // Evenly over the variants that matter most: those of fixed shapes.
  for (const Variant& variant : kVariants) {
    if (variant.symbolic && !options.all) continue;
    std::vector<size_t> rest;
    for (size_t i = 0; i < all.size(); ++i) {
      if (taken[i] || all[i].variant != &variant || all[i].original->bench) continue;
      if (options.all || cost(i) < kEvenFlops) rest.push_back(i);
    }
    const size_t want = options.all ? rest.size() : std::min(rest.size(), options.limit / 2);
    for (size_t k = 0; k < want; ++k) taken[rest[k * rest.size() / want]] = true;
  }
  if (all.empty()) return true;
  std::ofstream file(cat(options.out, "/", table.family, ".json"), std::ios::binary);
  file << "{\"family\":\"" << table.family << "\",\"cases\":[\n";
  std::set<size_t> written;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!taken[i]) {
      ++count.left_out;
      continue;
    }
    const auto text = write(all[i]);
    if (!text.ok()) {
      if (all[i].variant->half && text.error().code != ErrorCode::kInternal) {
        ++count.no_half_form;
        continue;
      }
      std::fprintf(stderr, "%s %s: %s\n", all[i].c.op.c_str(), all[i].c.name.c_str(),
                   text.error().text().c_str());
      return false;
    }
    const std::string_view program = std::string_view(*text).substr(text->find("\"program\":"));
    if (!written.insert(std::hash<std::string_view>()(program)).second) {
      ++count.same;
      continue;
    }
    file << (count.written++ == 0 ? "" : ",\n") << *text;
  }
  file << "\n]}\n";
  if (!file.flush()) return false;
  std::printf(
      "%-12s %4d written, %d the same, %d left out, %d need an island, %d dispatch nothing, %d "
      "have no "
      "float16 form\n",
      std::string(table.family).c_str(), count.written, count.same, count.left_out, count.islands,
      count.nothing_to_dispatch, count.no_half_form);
  total.written += count.written;
  total.islands += count.islands;
  return true;
}

// --- whole models, on inputs made up, against the CPU backend

// float32: the bar for layers of real models, |e| <= 1e-4 + 1e-3 |r|, with the first term taken of
// the largest number where that is above 1: inputs made up give results of any size. Quantized
// models amplify a last bit into whole steps and float16 rounds in each layer, so that only the
// mean error says something: 1 % of the largest number (the CPU backend and the reference are half
// that apart on quantized ones), and 0.5 %.
std::string model_tolerance(const plan::Plan& plan, const Tensor& truth) {
  double largest = 1;
  if (is_floating(truth.dtype())) {
    for (int64_t i = 0; i < truth.elements(); ++i) {
      if (std::isfinite(truth.get_double(i)))
        largest = std::max(largest, std::fabs(truth.get_double(i)));
    }
  }
  const bool quantized = std::ranges::any_of(plan.steps, [](const plan::Step& step) {
    return step.op.find("Quantize") != std::string::npos ||
           step.op.find("QLinear") != std::string::npos;
  });
  if (quantized) return cat("\"mean\":", 1e-2 * largest);
  // With and without shader-f16: casts round on both.
  const bool half = std::ranges::any_of(
      plan.slots, [](const plan::Slot& slot) { return slot.type.dtype == DType::kFloat16; });
  if (half) return cat("\"mean\":", 5e-3 * largest);
  return cat("\"atol\":", 1e-4 * largest, ",\"rtol\":1e-3");
}

Result<std::string> model_programs(const std::string& name, const std::string& path) {
  SLUICE_ASSIGN(const auto graph, session::load_graph(path));
  std::vector<Value> feeds;
  session::NamedValues named;
  for (const ir::ValueId id : graph->inputs()) {
    const Type& type = graph->type(id);
    if (!type.dims)
      return unsupported(cat("The rank of ", sluice::quoted(graph->value(id).name), " is open"));
    Shape shape;
    for (const Dim& dim : *type.dims) shape.push_back(dim.is_known() ? dim.value() : 1);
    feeds.push_back(is_floating(type.dtype) ? op::case_floats(shape, 1, 1.0, type.dtype)
                                            : op::case_ints(type.dtype, shape, 0, 2, 1));
    named.emplace_back(graph->value(id).name, feeds.back());
  }
  session::Options options;
  options.backend = session::Backend::kCpu;
  SLUICE_ASSIGN(const auto session, session::Session::from_graph(graph->clone(), name, options));
  SLUICE_ASSIGN(const session::NamedValues results, session->run(named));
  std::vector<Value> truth;
  for (const auto& [_, value] : results) truth.push_back(value);
  std::string out;
  for (const Variant* const variant : {&kFixed, &kHalf, &kPacked}) {
    SLUICE_ASSIGN(const PlanAndInputs run, plan_of(*graph, feeds, *variant));
    const bool any_half = std::ranges::any_of(run.plan->slots, [](const plan::Slot& slot) {
      return slot.format == plan::DeviceFormat::kF16;
    });
    if ((variant->half && !any_half) || !shows(*run.plan, *variant)) continue;
    const auto tolerance = [&](const Tensor& tensor) { return model_tolerance(*run.plan, tensor); };
    SLUICE_ASSIGN(const std::string text, to_json("model", name, *variant, run, truth, tolerance));
    out += cat(out.empty() ? "" : ",\n", text);
  }
  return out;
}

bool export_model(const std::string& name, const std::string& path, const Options& options) {
  const auto text = model_programs(name, path);
  if (!text.ok()) {
    std::printf("model %s: %s\n", name.c_str(), text.error().text().c_str());
    return text.error().code == ErrorCode::kUnsupported;
  }
  std::ofstream file(cat(options.out, "/model-", name, ".json"), std::ios::binary);
  file << "{\"family\":\"" << name << "\",\"cases\":[\n" << *text << "\n]}\n";
  std::printf("model %s: %zu bytes\n", name.c_str(), text->size());
  return static_cast<bool>(file.flush());
}

int run(std::span<char*> args) {
  Options options;
  for (size_t i = 1; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (arg == "--long") {
      options.all = true;
    } else if (arg == "--limit" && i + 1 < args.size()) {
      options.limit = static_cast<size_t>(parse_int(args[++i]).value_or(0));
    } else if (arg == "--family" && i + 1 < args.size()) {
      options.family = args[++i];
    } else if (arg == "--model" && i + 1 < args.size()) {
      options.models.emplace_back(args[++i]);
    } else if (options.out.empty() && !arg.starts_with("-")) {
      options.out = arg;
    } else {
      options.out.clear();
      break;
    }
  }
  if (options.out.empty()) {
    std::fprintf(stderr,
                 "usage: sluice_export_cases OUT [--limit N] [--long] [--family NAME] [--model "
                 "NAME=FILE]...\n");
    return 2;
  }
  Count total;
  for (const ops::CaseTable& table : ops::case_tables()) {
    if (!options.family.empty() && table.family != options.family) continue;
    if (!export_family(table, options, total)) return 1;
  }
  for (const std::string& model : options.models) {
    const size_t cut = model.find('=');
    if (cut == std::string::npos) return 2;
    if (!export_model(model.substr(0, cut), model.substr(cut + 1), options)) return 1;
  }
  std::printf("%d programs; %d plans need an island\n", total.written, total.islands);
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  return sluice::run(std::span<char*>(argv, static_cast<size_t>(argc)));
}
