// Does anything notice a wrong kernel? Mistakes of the kind that people make are planted in the
// WGSL of plans, one at a time (a plan's pipelines are data), and the operators' case tables run on
// the device until one of them sees it. A mistake that none sees, and one that no case's plan
// contains any more, is named. Then the same mistakes in whole models: whatever changes a bit of
// any layer must be seen by comparing layers.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.h"
#include "exec/webgpu/executor.h"
#include "gpu/on_device.h"
#include "ops/case_tables.h"

namespace sluice {
namespace {

using namespace gpu_tests;

struct Mutation {
  std::string_view what;
  std::string_view shader;  // file name without .wgsl
  std::string_view find;    // its first occurrence in the shader's text is replaced
  std::string_view replace;
  std::string_view knob = {};  // a line that the text must hold, too: a branch that is taken
};

constexpr Mutation kMutations[] = {
    // Bounds and tails.
    {"last element not computed", "unary", "i >= p.n", "i + 1u >= p.n"},
    {"last vector not computed", "unary4", "i >= p.n", "i + 1u >= p.n"},
    {"one lane of a vector", "unary4", "float_unary(v.w", "float_unary(v.z"},
    {"last row of workgroups", "reduce_rows", "group >= p.outputs * p.parts",
     "group + 1u >= p.outputs * p.parts"},
    {"last column not computed", "reduce_columns", "i >= p.outputs * p.parts",
     "i + 1u >= p.outputs * p.parts"},
    {"last element of a row left out", "reduce_rows", "min(first + p.share, p.count)",
     "min(first + p.share, p.count - 1u)"},
    {"first element of a column left out", "reduce_columns", "var r = first; r < end",
     "var r = first + 1u; r < end"},
    {"tail of four columns", "matmul_tiled", "column + 3u < p.n) { y", "column + 4u < p.n) { y"},
    {"rows beyond the matrix written", "matmul_tiled", "row >= p.m || column >= p.n",
     "row > p.m || column >= p.n"},
    {"tail of the inner extent", "matmul_tiled", "(p.k + TILE_K - 1u) / TILE_K", "p.k / TILE_K"},
    {"terms beyond the inner extent", "matmul_tiled", "if (k >= p.k || row >= p.m) { return v; }",
     "if (row >= p.m) { return v; }"},
    {"one term too few", "matmul_rows", "for (; k < p.k; k += SLICES)",
     "for (; k + 1u < p.k; k += SLICES)"},
    {"right edge of a row of outputs", "conv_depthwise", "if (left > 3u)", "if (left > 4u)"},
    {"right edge computed from the next line", "conv_depthwise",
     "if (u32(at) >= p.in_dims.z) { return 0.0; }", "if (u32(at) > p.in_dims.z) { return 0.0; }"},
    {"last position of a tile", "conv_gemm", "if (n >= p.positions) { return; }",
     "if (n + 1u >= p.positions) { return; }"},
    {"last channel of a quad", "conv_gemm", "c + 3u < p.group_channels",
     "c + 4u < p.group_channels", "const TAIL : bool = true"},
    {"last row of a group", "conv_gemm", "if (row >= p.group_rows) { return; }",
     "if (row + 1u >= p.group_rows) { return; }"},
    {"tile edge of a transposition", "transpose_tiles", "l < p.l_extent && k < p.k_extent",
     "l < p.l_extent && k + 1u < p.k_extent"},
    {"last line of softmax", "softmax_lines", "let there = line < p.lines",
     "let there = line + 1u < p.lines"},

    // Strides and indices.
    {"strides of the operands swapped", "binary_float", "f32(b[at.y])", "f32(b[at.x])"},
    {"condition by the wrong stride", "where", "condition[at.x]", "condition[at.y]"},
    {"stride swap in a copy", "strided_copy", "i32(at) * p.from_stride", "i32(at) * p.to_stride"},
    {"start of a copy forgotten", "strided_copy", "i32(p.from_at)", "0"},
    {"output start of a copy forgotten", "strided_copy", "i32(p.to_at)", "0"},
    {"padding of shared memory", "transpose_tiles", "tile[local.x * 33u + r]",
     "tile[r * 33u + local.x]"},
    {"picks and rows swapped", "gather", "row % p.picks", "row / p.picks"},
    {"batch of tuples ignored", "gather_nd", "tuple / p.per_batch * p.batch_units", "0u"},
    {"axis stride forgotten", "gather_elements", "at * p.axis_stride", "at"},
    {"high words of indices ignored", "gather", "high = index[j * WORDS + 1u]", "high = 0u"},
    {"cells of updates", "scatter_set", "y[cell * p.size + i % p.size]", "y[cell + i % p.size]"},
    {"updates linked to the wrong list", "scatter_link", "atomicExchange(&head[cell], u + 1u)",
     "atomicExchange(&head[cell], u)", "const LINK : bool = true"},
    {"diagonal of the other side", "trilu", "select(at <= d, at >= d, UPPER)",
     "select(at <= d, at > d, UPPER)"},
    {"one-hot without negative indices", "one_hot", "at + i32(p.depth) == d", "at == d"},
    {"inner stride of a sum", "contract", "at * p.a_sum", "at * p.b_sum"},
    {"strides of kept and reduced axes", "reduce_columns", "rest % extent * p.reduced_stride",
     "rest % extent * p.kept_stride", "const REDUCED_AXES : u32 = 2u"},

    // Padding, windows, groups.
    {"wrong pad", "conv_depthwise", "let first = i32(ox * p.stride.z) - p.pad.z",
     "let first = i32(ox * p.stride.z) - p.pad.y - 1"},
    {"pad of another axis", "conv_direct", "- p.pad[a][b] + reach", "- p.pad[1][3] + reach"},
    {"padding not recognised", "conv_direct",
     "inside = inside && place >= 0 && u32(place) < p.in_dims[a][b]",
     "inside = inside && place >= -1 && u32(place + 1) <= p.in_dims[a][b]"},
    {"group index", "conv_narrow", "(image * p.channels + g * p.group_channels) * p.in_dims.w",
     "image * p.channels * p.in_dims.w"},
    {"weights of another group", "conv_direct", "(m * p.group_channels + c) * p.taps",
     "(m % p.group_rows * p.group_channels + c) * p.taps"},
    {"dilation ignored", "conv_gemm", "offset.z += i32(p.dilation.z)", "offset.z += 1",
     "const FLAT : bool = false"},
    {"second axis of the kernel", "conv_gemm", "if (k.x == p.kernel.z)", "if (k.x == p.kernel.y)",
     "const FLAT : bool = false"},
    {"stride ignored", "conv_narrow", "vec3<i32>(o * p.stride.xyz)", "vec3<i32>(o)"},
    {"channel multiplier", "conv_depthwise", "let c = m / (p.rows / p.channels)",
     "let c = m % p.channels"},
    {"average counts the padding", "pool_window", "select(seen, padded, COUNT_PADDING)", "padded"},
    {"average never counts the padding", "pool_window", "select(seen, padded, COUNT_PADDING)",
     "seen"},
    {"window past the edge", "pool_window", "ceil_div(limit[axis] - at[axis], step[axis])",
     "ceil_div(limit[axis] - 1 - at[axis], step[axis])"},
    {"index of a later equal maximum", "pool_window", "best_at < 0 || v > best",
     "best_at < 0 || v >= best"},
    {"reflection repeats the edge", "pad", "max(2 * (n - 1), 1)", "2 * n"},
    {"interpolation past the edge", "grid_sample", "clamp(at, 0, top)", "clamp(at, 0, top - 1)"},
    {"weights of a resize", "resize_axis", "let entry = o * p.taps + t", "let entry = t"},

    // Barriers and trees.
    {"missing barrier", "reduce_rows", "workgroupBarrier();", ""},
    {"missing barrier in the tree", "reduce_rows",
     "partial[lid] = combine(partial[lid], partial[lid + half]); }\n      workgroupBarrier();",
     "partial[lid] = combine(partial[lid], partial[lid + half]); }"},
    {"missing barrier between halves", "softmax_lines",
     "      workgroupBarrier();\n      if (lane < s)", "      if (lane < s)"},
    {"missing barrier of a tile", "matmul_tiled", "workgroupBarrier();", ""},
    {"missing barrier of a tile", "conv_gemm", "workgroupBarrier();", ""},
    {"missing barrier of a tile", "transpose_tiles", "workgroupBarrier();", ""},
    {"half of the tree", "pool_global", "WG / 2u; width > 0u", "WG / 2u; width > 1u"},
    {"missing barrier of a scan", "cumulate_rows", "totals[lid] = sum;\n    workgroupBarrier();",
     "totals[lid] = sum;"},
    {"tree begins too low", "norm_rows", "var s = WG / 2u", "var s = WG / 4u"},
    {"sort stops early", "top_k_sort", "stage <= P; stage *= 2u", "stage < P; stage *= 2u"},
    {"state of the step before", "recurrent_layer", "state[u] = next[u];", "state[u] = state[u];"},

    // Arithmetic and epilogues.
    {"dropped bias", "conv_gemm", "if (HAS_BIAS) { v += A(bias[m]); }", ""},
    {"dropped bias", "conv_depthwise", "if (HAS_BIAS) { v += f32(bias[m]); }", ""},
    {"dropped scale", "matmul_rows", "p.alpha * sums[out_row]", "sums[out_row]"},
    {"dropped addend", "matmul_rows", "if (HAS_C)", "if (false)"},
    {"zero point of the input", "conv_gemm", "A(x[i]) - x_zero", "A(x[i])",
     "const INTEGER : bool = true"},
    {"zero point of the output", "quantize", "if (HAS_ZERO) { z = zero[at]; }", ""},
    {"zero point", "dequantize", "if (HAS_ZERO) { z = zero[at]; }", ""},
    {"scale of the first channel only", "dequantize", "f32(scale[at])", "f32(scale[0])"},
    {"zero point of the columns", "matmul_tiled", "if (B_ZERO) { zero", "if (false) { zero",
     "const B_ZERO : bool = true"},
    {"maximum not subtracted", "softmax_lines", "decay(f32(x[at]) - top) / sum",
     "decay(f32(x[at])) / sum"},
    {"epsilon outside the root", "norm_rows", "1.0 / sqrt(variance + p.epsilon)",
     "1.0 / (sqrt(variance) + p.epsilon)"},
    {"epsilon forgotten", "norm_apply", "1.0 / sqrt(v + p.epsilon)", "1.0 / sqrt(v)"},
    {"scale forgotten", "norm_apply", "r * f32(scale[channel]) + f32(shift[channel])",
     "r + f32(shift[channel])"},
    {"remainder has the sign of the dividend", "binary_int",
     "r != T(0) && (r < T(0)) != (v < T(0))", "false"},
    {"narrow results do not wrap", "binary_int", "(apply(a[at.x], b[at.y]) << SHIFT) >> SHIFT",
     "apply(a[at.x], b[at.y])", "const SHIFT : u32 = 24u"},
    {"first of equal extremes", "arg_rows", "(at_a < at_b), (at_a > at_b), LAST",
     "(at_a > at_b), (at_a < at_b), LAST"},
    {"exclusive sums", "cumulate_rows", "select(next, running, EXCLUSIVE)", "next"},
    {"gates swapped", "recurrent_layer", "f * c + i * candidate", "i * c + f * candidate"},
    {"direction", "recurrent_layer", "if (backwards)", "if (false)"},
    {"peepholes of another gate", "recurrent_layer", "(d * 3u + gate) * p.hidden",
     "d * 3u * p.hidden"},
    {"sums of rows", "matmul_dot4", "zb * a_sum.x", "a_sum.x", "const B_ZERO : bool = true"},
    {"zero points of rows", "matmul_dot4", "za.x * whole", "za.x", "const A_ZERO : bool = true"},
    {"third byte of a word", "matmul_dot4", "bytes.z << 16u", "bytes.z << 8u"},
    {"zero point outside of the image", "conv_dot4", "(u32(x_zero) & 255u) * ONES", "0u"},
    {"sums of rows of a convolution", "conv_dot4", "of_row.x * x_sum[j]", "x_sum[j]",
     "const W_ZERO : bool = true"},
    {"third channel of a word", "conv_words", "<< (8u * k)", "<< (8u * min(k, 1u))"},
    {"right edge of an image", "winograd_input", "column < p.columns", "column <= p.columns"},
    {"sign of a point", "winograd_input", "even_a - odd_a", "even_a + odd_a"},
    {"last row of a tile", "winograd_output", "place.y + k < p.rows", "place.y + k + 1u < p.rows"},
    {"dropped bias", "winograd_output", "add = bias[channel]", "add = 0.0",
     "const HAS_BIAS : bool = true"},
    {"third operand of seven", "concat_rows", "column - a.y", "column - a.x"},
    {"rows of a split", "split_rows", "row * p.row + p.first", "row * p.span + p.first"},
};

bool contains(const plan::Pipeline& pipeline, const Mutation& m) {
  return pipeline.shader == m.shader && pipeline.wgsl.find(m.find) != std::string::npos &&
         pipeline.wgsl.find(m.knob) != std::string::npos;
}
std::shared_ptr<plan::Plan> mutated(const plan::Plan& plan, const Mutation& m) {
  auto wrong = std::make_shared<plan::Plan>(plan);
  for (plan::Pipeline& pipeline : wrong->pipelines) {
    const size_t at = pipeline.shader == m.shader ? pipeline.wgsl.find(m.find) : std::string::npos;
    if (at != std::string::npos) pipeline.wgsl.replace(at, m.find.size(), m.replace);
  }
  return wrong;
}
// All of them take minutes: without --long a tenth.
size_t every() { return long_run() || std::getenv("SLUICE_SHOW_MUTATIONS") != nullptr ? 1 : 10; }
void show(const Mutation& m, const std::string& what) {
  if (std::getenv("SLUICE_SHOW_MUTATIONS") == nullptr) return;
  std::printf("  %-18s %-40s %s\n", std::string(m.shader).c_str(), std::string(m.what).c_str(),
              what.c_str());
  std::fflush(stdout);
}

// Cases tried before a mistake counts as unseen, taken evenly from all whose plans contain it; with
// --long all.
constexpr size_t kMostCases = 120;
constexpr double kDeviceTolerance = 2e-6;  // as in the conformance tests

struct Prepared {
  std::string label;
  std::shared_ptr<plan::Plan> plan;
  std::vector<Value> feeds, truth;  // truth: filled in when first needed
  std::shared_ptr<const ir::Graph> graph;
  double atol = 0, rtol = 0;
};

void fix_small_operands(op::Case& c) {
  for (size_t i = 1; i < c.inputs.size(); ++i) {
    if (!c.inputs[i].is_tensor()) continue;
    const Tensor& tensor = c.inputs[i].tensor();
    if (tensor.shape().rank() > 1 || tensor.elements() > 16 || !is_integer(tensor.dtype()))
      continue;
    if (std::ranges::count(c.constant_inputs, static_cast<int>(i)) != 0) continue;
    c.constant_inputs.push_back(static_cast<int>(i));
  }
}

// Empty when the plan's results are the reference's.
Result<std::string> difference(const Prepared& p, std::shared_ptr<plan::Plan> plan,
                               const std::shared_ptr<exec::webgpu::Device>& device) {
  exec::webgpu::ExecutorOptions options;
  options.fill_word = 0x7fc0ffee;
  SLUICE_ASSIGN(auto executor, exec::webgpu::Executor::create(std::move(plan), device, options));
  SLUICE_ASSIGN(const std::vector<Value> got, executor->run(p.feeds, {}));
  for (size_t i = 0; i < got.size(); ++i) {
    const std::string why = conformance::compare(got[i], p.truth[i], p.atol, p.rtol);
    if (!why.empty()) return why;
  }
  // What a session reports as an error.
  if (executor->last_run().saw_poison) return std::string("outputs are not written");
  return std::string();
}

// How a case is compiled: as for the device at hand, or by kernels that it would not choose.
struct Way {
  std::string_view label = "";
  bool packed_dot = true;
  std::string_view kernel = "";
  std::string_view mark = "";  // in the name of a shader, where the way makes a plan of its own
  double atol = kDeviceTolerance, rtol = kDeviceTolerance;
};
constexpr Way kWays[] = {{},
                         {.label = " element by element", .packed_dot = false},
                         {.label = " by Winograd",
                          .kernel = "conv.winograd",
                          .mark = "winograd",
                          .atol = 1e-4,
                          .rtol = 1e-3}};

bool has_shader(const plan::Plan& plan, std::string_view mark) {
  return std::ranges::any_of(plan.pipelines, [&](const plan::Pipeline& pipeline) {
    return pipeline.shader.find(mark) != std::string::npos;
  });
}

// Without a plan where the case has none that runs on the device as a whole.
Prepared prepare(const op::Case& c, const std::string& family, const Way& way,
                 plan::Features features) {
  features.packed_dot = features.packed_dot && way.packed_dot;
  session::Options options = software();
  if (!way.kernel.empty()) options.kernels = {std::string(way.kernel)};
  Prepared p;
  p.label = cat(family, "/", c.op, " ", c.name, way.label);
  p.atol = std::max(c.atol, way.atol);
  p.rtol = std::max(c.rtol, way.rtol);
  // What a session would learn from the run: operands that decide shapes.
  op::Case known = c;
  for (const bool fixed : {false, true}) {
    if (fixed) fix_small_operands(known);
    auto graph = conformance::graph_of(known, false);
    if (!op::infer_graph(ops::registry(), *graph).ok()) return p;
    const auto planned = session::plan_for_gpu(*graph, options, features);
    if (!planned.ok()) return p;
    if (!planned->islands.empty()) continue;
    p.feeds = conformance::feeds_of(known);
    if (planned->plan->inputs.size() == p.feeds.size()) p.plan = planned->plan;
    p.graph = std::move(graph);
    return p;
  }
  return p;
}

TEST(GpuMutations, AreSeenByTheOperatorsCases) {
  SLUICE_NEED_DEVICE();
  const auto device = gpu_tests::patient_device(held);
  ASSERT_NE(device, nullptr);
  const auto begin = std::chrono::steady_clock::now();
  // The trees in workgroup memory are what mistakes are planted in.
  plan::Features features = device->features();
  features.subgroups = false;
  std::map<std::string_view, std::vector<size_t>> by_shader;
  for (const Mutation& m : kMutations) by_shader[m.shader];
  std::vector<Prepared> cases;
  for (const ops::CaseTable& table : ops::case_tables()) {
    for (const op::Case& c : table.cases()) {
      const op::OpDef* def = ops::registry().find(c.domain, c.op);
      if (def == nullptr || !def->deterministic) continue;
      bool on_bytes = false;
      for (const Way& way : kWays) {
        if (!way.packed_dot && !on_bytes) continue;
        if (!way.kernel.empty() && c.op != "Conv" && c.op != "FusedConv") continue;
        Prepared p = prepare(c, std::string(table.family), way, features);
        if (p.plan == nullptr || !has_shader(*p.plan, way.mark)) continue;
        on_bytes |= has_shader(*p.plan, "dot4");
        for (const plan::Pipeline& pipeline : p.plan->pipelines) {
          const auto at = by_shader.find(pipeline.shader);
          if (at == by_shader.end()) continue;
          if (at->second.empty() || at->second.back() != cases.size()) {
            at->second.push_back(cases.size());
          }
        }
        cases.push_back(std::move(p));
      }
    }
  }
  int killed = 0, planted = 0, runs = 0;
  std::vector<std::string> survivors;
  std::set<std::string> unsound;
  for (size_t number = 0; number < std::size(kMutations); number += every()) {
    const Mutation& m = kMutations[number];
    SCOPED_TRACE(cat(m.shader, ": ", m.what));
    std::vector<size_t> able;
    for (const size_t i : by_shader[m.shader]) {
      const bool has = std::ranges::any_of(cases[i].plan->pipelines,
                                           [&](const auto& one) { return contains(one, m); });
      if (has) able.push_back(i);
    }
    if (able.empty()) {
      ADD_FAILURE() << "no case's plan contains " << quoted(m.find);
      continue;
    }
    ++planted;
    // Every n-th first, so that few runs see many kinds of cases.
    std::vector<size_t> order;
    const size_t step = std::max<size_t>(1, able.size() / 8);
    for (size_t start = 0; start < step; ++start) {
      for (size_t i = start; i < able.size(); i += step) order.push_back(able[i]);
    }
    if (order.size() > kMostCases && every() > 1) order.resize(kMostCases);
    std::string seen;
    for (const size_t i : order) {
      Prepared& p = cases[i];
      if (p.truth.empty()) {
        auto truth = op::interpret(ops::registry(), *p.graph, p.feeds);
        ASSERT_TRUE(truth.ok()) << truth.error().text();
        p.truth = std::move(truth).value();
      }
      const auto why = difference(p, mutated(*p.plan, m), device);
      ++runs;
      // A mistake that does not compile is none.
      ASSERT_TRUE(why.ok()) << p.label << ": " << why.error().text();
      if (why->empty()) continue;
      // Not seen by a case that fails anyway.
      const auto sound = difference(p, p.plan, device);
      ++runs;
      ASSERT_TRUE(sound.ok()) << p.label << ": " << sound.error().text();
      if (!sound->empty()) {
        unsound.insert(cat(p.label, ": ", *sound));
        continue;
      }
      seen = cat(p.label, ": ", *why);
      break;
    }
    if (!seen.empty()) {
      ++killed;
    } else {
      survivors.push_back(
          cat(m.shader, ": ", m.what, " (", order.size(), " of ", able.size(), " cases tried)"));
    }
    show(m, seen.empty() ? "NOT SEEN" : seen);
  }
  std::printf("  %d of %d planted mistakes are seen; %d runs, %.0f s\n", killed, planted, runs,
              std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  for (const std::string& line : survivors) std::printf("    not seen: %s\n", line.c_str());
  for (const std::string& line : unsound) {
    std::printf("    fails without any mistake: %s\n", line.c_str());
  }
  EXPECT_GE(planted, every() == 1 ? 40 : 5);
  EXPECT_GE(killed * 100, planted * 95);
}

// --- layers of models

struct Layered {
  std::string name;
  std::shared_ptr<plan::Plan> plan;
  std::vector<Value> feeds;
  std::vector<std::vector<Value>> layers;  // outputs by step
};

// Open extents become 1 in front and 3 behind; what a model wants of its input is given by name.
Value made_up(const session::IoInfo& input, std::string_view model, int seed) {
  if (input.name == "sr") return Tensor::scalar<int64_t>(16000);
  Shape shape;
  for (const Dim& dim : *input.type.dims) {
    shape.push_back(dim.is_known() ? dim.value() : shape.rank() == 0 ? 1 : 3);
  }
  if (model == "silero_vad_v5") shape = input.name == "state" ? Shape{2, 1, 128} : Shape{1, 512};
  return is_floating(input.type.dtype) ? op::case_floats(shape, seed, 1.0, input.type.dtype)
                                       : op::case_ints(input.type.dtype, shape, 0, 1, seed);
}

// The plan that a session runs the model by, once a run has told it what only a run can.
Result<Layered> layered(const std::string& name, const std::string& path,
                        const std::shared_ptr<exec::webgpu::Device>& device) {
  Layered out{.name = name};
  session::Options options = software();
  options.deadline_seconds = 120;
  SLUICE_ASSIGN(const auto session, session::Session::load(path, options));
  session::NamedValues feeds;
  for (const session::IoInfo& input : session->inputs()) {
    if (!input.type.dims) return unsupported("an input without a rank");
    feeds.emplace_back(input.name, made_up(input, name, static_cast<int>(feeds.size())));
  }
  SLUICE_TRY(session->run(feeds));
  const session::Binding& binding = session->binding();
  if (binding.bound != session::Backend::kWebGpu) return unsupported(binding.failovers[0].error);
  if (!binding.islands.empty()) return unsupported(cat("an island: ", binding.islands[0].reason));
  out.plan = std::make_shared<plan::Plan>(*session->plan());
  for (const plan::SlotId id : out.plan->inputs) {
    const std::string& wanted = out.plan->slot(id).name;
    const auto feed = std::ranges::find(feeds, wanted, &session::NamedValues::value_type::first);
    if (feed == feeds.end()) return internal_error(cat("no input ", wanted));
    out.feeds.push_back(feed->second);
  }
  SLUICE_ASSIGN(auto executor, exec::webgpu::Executor::create(out.plan, device, {}));
  out.layers.resize(out.plan->steps.size());
  exec::webgpu::Observer observer;
  observer.outputs = [&](int step, std::span<const Value> made) {
    out.layers[static_cast<size_t>(step)].assign(made.begin(), made.end());
  };
  SLUICE_TRY(executor->run(out.feeds, {}, observer));
  return out;
}

// The plan's layers against those that are right: whether any bit differs, and the first layer
// outside the tolerance of layers.
struct LayersSeen {
  bool changed = false;
  std::string layer;
};
Result<LayersSeen> compare_layers(const Layered& model, std::shared_ptr<plan::Plan> plan,
                                  const std::shared_ptr<exec::webgpu::Device>& device) {
  LayersSeen seen;
  SLUICE_ASSIGN(auto executor, exec::webgpu::Executor::create(plan, device, {}));
  exec::webgpu::Observer observer;
  observer.outputs = [&](int step, std::span<const Value> made) {
    const auto& right = model.layers[static_cast<size_t>(step)];
    for (size_t i = 0; i < made.size() && seen.layer.empty(); ++i) {
      if (!made[i].present() || conformance::same_bits(made[i], right[i])) continue;
      seen.changed = true;
      const std::string why = conformance::compare(made[i], right[i], 1e-4, 1e-3);
      if (why.empty()) continue;
      const plan::Step& at = plan->steps[static_cast<size_t>(step)];
      seen.layer =
          cat(model.name, ", layer ", step, " (", at.op, " ", sluice::quoted(at.node), "): ", why);
    }
  };
  SLUICE_TRY(executor->run(model.feeds, {}, observer));
  if (executor->last_run().saw_poison && seen.layer.empty()) seen.layer = "outputs are not written";
  return seen;
}

TEST(GpuMutations, AreSeenInTheLayersOfModels) {
  SLUICE_NEED_DEVICE();
  const auto device = gpu_tests::patient_device(held);
  ASSERT_NE(device, nullptr);
  const std::string build = SLUICE_BINARY_DIR;
  const size_t most = every() == 1 ? 100 : 9;  // the larger ones with --long
  std::vector<Layered> models;
  for (const char* name :
       {"tract_averagepool_count_include_pad", "tract_deconv_group", "ort_deform_conv", "mnist",
        "cntk_lstm_tanh_bidirectional", "point_history_classifier_lstm", "keypoint_classifier",
        "hand_recrop", "bert_toy_optimized", "silero_vad_v5", "selfie_segmentation",
        "hand_landmark_lite", "pytorch_super_resolution", "mobilenet_v2_qdq_int8", "SINet"}) {
    for (const std::string& path :
         {cat(build, "/data/onnx-models/", name, "/model.onnx"),
          cat(build, "/models/", name, ".onnx"), cat(build, "/models/", name, ".tflite")}) {
      if (!std::filesystem::exists(path) || models.size() >= most) continue;
      auto model = layered(name, path, device);
      if (model.ok()) {
        models.push_back(std::move(model).value());
      } else {
        std::printf("  %s is left out: %s\n", name, model.error().message.c_str());
      }
      break;
    }
  }
  if (models.size() < 6) GTEST_SKIP() << "not run: the models are not there";
  int planted = 0, effective = 0, killed = 0;
  std::vector<std::string> unseen, without_effect;
  for (size_t number = 0; number < std::size(kMutations); number += every() == 1 ? 1 : 4) {
    const Mutation& m = kMutations[number];
    SCOPED_TRACE(cat(m.shader, ": ", m.what));
    bool present = false;
    LayersSeen best;
    for (const Layered& model : models) {
      const bool has = std::ranges::any_of(model.plan->pipelines,
                                           [&](const auto& one) { return contains(one, m); });
      if (!has) continue;
      present = true;
      const auto seen = compare_layers(model, mutated(*model.plan, m), device);
      ASSERT_TRUE(seen.ok()) << model.name << ": " << seen.error().text();
      best.changed |= seen->changed;
      best.layer = seen->layer;
      if (!best.layer.empty()) break;
    }
    if (!present) continue;
    ++planted;
    effective += best.changed;
    killed += !best.layer.empty();
    const std::string text = cat(m.shader, ": ", m.what);
    if (best.changed && best.layer.empty()) unseen.push_back(text);
    if (!best.changed) without_effect.push_back(text);
    show(m, !best.layer.empty() ? best.layer : best.changed ? "NOT SEEN" : "no bit changes");
  }
  std::printf("  %zu models: of %d planted mistakes %d change some layer, and %d are seen\n",
              models.size(), planted, effective, killed);
  for (const std::string& text : unseen) ADD_FAILURE() << "not seen in any layer: " << text;
  for (const std::string& text : without_effect) {
    std::printf("    changes nothing in these models: %s\n", text.c_str());
  }
  EXPECT_GE(killed, every() == 1 ? 40 : 3);
}

}  // namespace
}  // namespace sluice
