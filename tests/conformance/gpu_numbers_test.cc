// Numbers on a device: each family of operators at the sizes at which kernels go wrong (1, 2, 3, 5,
// 7, tails that no vector of four divides, the neighbours of 128 and 256; negative axes, zero
// points other than 0), at least 200 cases a family, against the reference, which computes in
// double and rounds once. The error has to stay inside a budget that follows from WGSL's table of
// precision and from the number of operations; the largest error of each operator is printed in
// units in the last place (ULP), with the adapter it was found on. All cases run twice, once with
// random bits in all memory beforehand, and once with NaNs and with grids folded over three
// dimensions: the results must be the same bits. Without SLUICE_LONG a quarter of the cases.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "conformance/case_graph.h"
#include "exec/webgpu/executor.h"
#include "gpu/on_device.h"

namespace sluice {
namespace {

using gpu_tests::long_run;
using gpu_tests::software;
using op::Case;
using op::case_floats;
using op::case_ints;
using Ints = std::vector<int64_t>;

// What an element may be off, in absolute terms, is the sum of
//   ulps      times the unit in the last place of the reference's result
//   terms     times 2^-24 of the sum of the magnitudes of what was added up, which the reference
//             gives for the magnitudes of the inputs (sums in any order: at most n - 1 roundings,
//             and one for each product)
//   absolute  as it is
//   at(x, y)  for elementwise functions, with the argument and the result.
// Subnormal numbers may be flushed everywhere.
struct Budget {
  double ulps = 0;
  double terms = 0;
  double absolute = 0;
  std::function<double(double x, double y)> at = {};
};

struct Sized {
  Case c;
  Budget budget;
};
using Cases = std::vector<Sized>;

// WGSL's table ("Accuracy of numerical built-in functions"), in ULP.
constexpr double kRounded = 1;     // + - * are correctly rounded: to either neighbour
constexpr double kDivision = 2.5;  // x / y
constexpr double kRoot = 4.5;      // sqrt: inherited from 1 / inverseSqrt (2)
double exp_ulps(double x) { return 3 + 2 * std::fabs(x); }
constexpr double kUnit = 0x1p-24;  // half a unit in the last place of 1
// Roundings of a sum that a workgroup of at least 64 makes: each invocation its share, then a tree.
double tree_of(double n) { return std::ceil(n / 64) + 10; }

constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 6, 7, 66, 127, 129, 255, 258};

double ulp_of(double value, DType dtype) {
  const int bits = dtype == DType::kFloat16 ? 10 : dtype == DType::kBFloat16 ? 7 : 23;
  const int least = dtype == DType::kFloat16 ? -14 : -126;
  if (value == 0 || !std::isfinite(value)) return std::ldexp(1.0, least - bits);
  return std::ldexp(1.0, std::max(std::ilogb(value), least) - bits);
}

Tensor floats(const Shape& shape, int seed, double scale = 1) {
  return case_floats(shape, seed, scale);
}
// In [low, high).
Tensor floats_in(const Shape& shape, int seed, double low, double high) {
  Tensor out = case_floats(shape, seed).clone().value();
  for (int64_t i = 0; i < out.elements(); ++i) {
    out.set_double(i, low + (out.get_double(i) + 1) / 2 * (high - low));
  }
  return out;
}
Tensor ints64(Ints values) {
  const Shape shape{static_cast<int64_t>(values.size())};
  return Tensor::of<int64_t>(shape, std::span<const int64_t>(values));
}

// --- families

void unary(Cases& out) {
  struct Row {
    const char* op;
    double low, high;
    Budget budget;
  };
  const auto relative = [](double ulps) { return Budget{.ulps = ulps}; };
  // Functions that WGSL promises little of are made of + - * / and sqrt (lib/math.wgsl): about as
  // many units as there are roundings behind the series, and near zeros away from 0 an absolute
  // part.
  const auto near_zeros = [](double ulps) { return Budget{.ulps = ulps, .absolute = 0x1p-23}; };
  const Row rows[] = {
      {"Abs", -9, 9, relative(0)},
      {"Neg", -9, 9, relative(0)},
      {"Ceil", -9, 9, relative(0)},
      {"Floor", -9, 9, relative(0)},
      {"Round", -9, 9, relative(0)},
      {"Sign", -1, 1, relative(0)},
      {"Relu", -9, 9, relative(0)},
      {"Identity", -9, 9, relative(0)},
      {"Sqrt", 0, 99, relative(kRoot)},
      {"Reciprocal", -9, 9, relative(kDivision)},
      {"Exp",
       -20,
       20,
       {.at = [](double x, double y) { return exp_ulps(x) * ulp_of(y, DType::kFloat32); }}},
      {"Log", 0.01, 99, near_zeros(3)},
      {"Sin", -20, 20, near_zeros(4)},
      {"Cos", -20, 20, near_zeros(4)},
      {"Tan", -1.4, 1.4, relative(8 + kDivision)},
      {"Asin", -1, 1, relative(8)},
      {"Acos", -1, 1, near_zeros(8)},
      {"Atan", -9, 9, relative(8)},
      {"Sinh", -9, 9, relative(16)},
      {"Cosh", -9, 9, relative(16)},
      {"Tanh", -9, 9, relative(8)},
      {"Asinh", -9, 9, relative(8 + kRoot)},
      {"Acosh", 1, 9, relative(8 + kRoot)},
      {"Atanh", -0.99, 0.99, relative(8 + kDivision)},
      {"Erf", -4, 4, relative(8)},
      {"Sigmoid", -20, 20, relative(4 + kDivision)},
      {"Softplus", -20, 20, relative(8)},
      {"Softsign", -20, 20, relative(kRounded + kDivision)},
      {"LeakyRelu", -9, 9, relative(kRounded)},
      {"Elu", -9, 9, relative(8)},
      {"Selu", -9, 9, relative(8)},
      {"HardSigmoid", -9, 9, {.ulps = 2, .absolute = 0x1p-23}},
      {"HardSwish", -9, 9, {.ulps = 4 + kDivision, .absolute = 0x1p-21}},
      {"ThresholdedRelu", -9, 9, relative(0)},
      {"Mish", -9, 9, relative(16)},
      {"Gelu", -5, 9, {.ulps = 24, .absolute = 0}},
  };
  for (const Row& row : rows) {
    for (const int64_t n : kSizes) {
      out.push_back({{.name = cat(n),
                      .op = row.op,
                      .inputs = {floats_in(Shape{n}, static_cast<int>(n), row.low, row.high)}},
                     row.budget});
    }
  }
  for (const DType dtype : {DType::kInt32, DType::kInt8, DType::kInt64, DType::kUInt8}) {
    for (const int64_t n : kSizes) {
      for (const char* op : {"Abs", "Sign"}) {
        out.push_back(
            {{.name = cat(dtype_name(dtype), n),
              .op = op,
              .inputs = {case_ints(dtype, Shape{n}, dtype == DType::kUInt8 ? 0 : -120, 120)}},
             {}});
      }
    }
  }
}

void binary(Cases& out) {
  struct Row {
    const char* op;
    double low, high;  // of the second operand
    Budget budget;
  };
  const Row rows[] = {
      {"Add", -9, 9, {.ulps = kRounded}},
      {"Sub", -9, 9, {.ulps = kRounded}},
      {"Mul", -9, 9, {.ulps = kRounded}},
      {"Div", 0.1, 9, {.ulps = kDivision}},
      {"Max", -9, 9, {}},
      {"Min", -9, 9, {}},
      {"PRelu", -9, 9, {.ulps = kRounded}},
      // Inherited from exp2(y * log2(x)), with |y log2(x)| up to 3 * 3.2.
      {"Pow", -3, 3, {.ulps = 3 + 4 * 9.6}},
      {"Greater", -9, 9, {}},
      {"LessOrEqual", -9, 9, {}},
      {"Equal", -9, 9, {}},
  };
  for (const Row& row : rows) {
    for (const int64_t n : kSizes) {
      const bool power = std::string_view(row.op) == "Pow";
      const int seed = static_cast<int>(n);
      const std::pair<Shape, Shape> shapes[] = {{Shape{n}, Shape{n}},
                                                {Shape{n}, Shape{1}},
                                                {Shape{3, n}, Shape{3, 1}},
                                                {Shape{2, 1, n}, Shape{1, 3, n}}};
      for (const auto& [a, b] : shapes) {
        if (std::string_view(row.op) == "PRelu" && a.rank() == 3) continue;  // one way only
        out.push_back({{.name = cat(a.text(), b.text()),
                        .op = row.op,
                        .attrs = {},
                        .inputs = {power ? floats_in(a, seed, 0.1, 9) : floats(a, seed, 9),
                                   floats_in(b, seed + 1, row.low, row.high)}},
                       row.budget});
      }
    }
  }
}

void cast(Cases& out) {
  const DType dtypes[] = {DType::kFloat32, DType::kFloat16, DType::kInt32, DType::kInt64,
                          DType::kInt8,    DType::kUInt8,   DType::kBool};
  for (const DType from : dtypes) {
    for (const DType to : dtypes) {
      for (const int64_t n : {1, 3, 5, 7, 66, 129, 258}) {
        const Shape shape{n};
        const bool wide = from != DType::kUInt8 && from != DType::kBool;
        out.push_back(
            {{.name = cat(dtype_name(from), dtype_name(to), n),
              .op = "Cast",
              .attrs = {{"to", static_cast<int64_t>(to)}},
              .inputs = {is_floating(from) ? case_floats(shape, static_cast<int>(n),
                                                         is_floating(to) ? 90.0 : 100.0, from)
                                           : case_ints(from, shape, wide ? -100 : 0,
                                                       from == DType::kBool ? 1 : 100)}},
             {}});
        // A float below 0 has no value as an unsigned integer that is asked for.
        if (is_floating(from) && to == DType::kUInt8) {
          out.back().c.inputs[0] = Value(floats_in(shape, 3, 0, 200));
        }
      }
    }
  }
}

void concat(Cases& out) {
  for (const int64_t n : kSizes) {
    for (int axis = -3; axis < 3; ++axis) {
      for (const DType dtype : {DType::kFloat32, DType::kInt64, DType::kUInt8}) {
        Shape a{2, 3, 5}, b{2, 3, 5};
        a[axis < 0 ? axis + 3 : axis] = n;
        b[axis < 0 ? axis + 3 : axis] = 7;
        const auto make = [&](const Shape& s, int seed) {
          return dtype == DType::kFloat32 ? floats(s, seed) : case_ints(dtype, s, 0, 100, seed);
        };
        out.push_back({{.name = cat(n, "_", axis, dtype_name(dtype)),
                        .op = "Concat",
                        .attrs = {{"axis", int64_t{axis}}},
                        .inputs = {make(a, 1), make(b, 2), make(a, 3)}},
                       {}});
        if (n < 3 || dtype == DType::kUInt8) continue;
        out.push_back({{.name = cat("split", n, "_", axis, dtype_name(dtype)),
                        .op = "Split",
                        .attrs = {{"axis", int64_t{axis}}},
                        .inputs = {make(a, 4), ints64({1, n - 2, 1})},
                        .output_count = 3,
                        .constant_inputs = {1}},
                       {}});
      }
    }
  }
}

Case conv_case(const char* op, const Shape& x, const Shape& w, AttrMap attrs) {
  return {.name = cat(x.text(), w.text()),
          .op = op,
          .attrs = std::move(attrs),
          .inputs = {floats(x, 1), floats(w, 2),
                     floats(Shape{std::string_view(op) == "Conv" ? w[0] : w[1]}, 3)},
          .constant_inputs = {1, 2}};
}
void conv(Cases& out) {
  const auto add = [&](const char* op, const Shape& x, const Shape& w, AttrMap attrs,
                       double terms) {
    out.push_back({conv_case(op, x, w, std::move(attrs)), {.ulps = 1, .terms = terms + 2}});
  };
  const Ints one2{1, 1, 1, 1};
  for (const int64_t n : kSizes) {
    const auto t = static_cast<double>(n);
    add("Conv", {1, n, 3, 5}, {9, n, 3, 3}, {{"pads", one2}}, 9 * t);            // implicit product
    add("Conv", {2, n, 2, 3}, {17, n, 1, 1}, {}, t);                             // 1x1
    add("Conv", {1, n, 4, 4}, {3, n, 2, 2}, {}, 4 * t);                          // narrow
    add("Conv", {1, 5, 1, n + 2}, {12, 5, 1, 3}, {}, 15);                        // rows of n
    add("Conv", {1, 3, n + 1, 3}, {n, 3, 2, 2}, {{"strides", Ints{2, 1}}}, 12);  // n rows
    add("Conv", {2, n, 9}, {10, n, 3}, {{"dilations", Ints{2}}}, 3 * t);         // 1-D
    add("Conv", {1, n, 5, 6}, {n, 1, 3, 3}, {{"group", n}, {"pads", one2}}, 9);  // depthwise
    add("Conv", {1, 2 * n, 3, 3}, {20, n, 2, 2}, {{"group", int64_t{2}}}, 4 * t);  // grouped
    add("Conv", {1, n, 2, 3, 2}, {9, n, 2, 1, 2}, {}, 4 * t);                      // 3-D
    add("ConvTranspose", {1, n, 3, 3}, {n, 9, 3, 2}, {{"strides", Ints{2, 2}}}, 6 * t);
    add("ConvTranspose", {1, n, 2, 3}, {n, 2, 2, 2}, {}, 4 * t);
    add("ConvTranspose", {1, 3, 2, n}, {3, 12, 2, 3}, {{"strides", Ints{1, 3}}}, 18);
    for (const DType x : {DType::kUInt8, DType::kInt8}) {
      for (const bool zero : {false, true}) {
        for (const int64_t rows : {3, 12}) {
          Case c{.name = cat("integer", n, dtype_name(x), zero, rows),
                 .op = "ConvInteger",
                 .attrs = {{"pads", one2}},
                 .inputs = {x == DType::kInt8 ? case_ints(x, Shape{1, n, 3, 4}, -128, 127)
                                              : case_ints(x, Shape{1, n, 3, 4}, 0, 255),
                            case_ints(DType::kInt8, Shape{rows, n, 3, 3}, -128, 127, 2)},
                 .constant_inputs = {1}};
          if (zero) {
            c.inputs.emplace_back(x == DType::kInt8 ? Tensor::scalar<int8_t>(-9)
                                                    : Tensor::scalar<uint8_t>(131));
            c.inputs.emplace_back(case_ints(DType::kInt8, Shape{rows}, -5, 5, 3));
            c.constant_inputs = {1, 2, 3};
          }
          out.push_back({std::move(c), {}});
        }
      }
    }
  }
}

void einsum(Cases& out) {
  for (const int64_t n : kSizes) {
    struct Row {
      const char* equation;
      std::vector<Shape> shapes;
      double terms;
    };
    const auto t = static_cast<double>(n);
    const Row rows[] = {
        {"ij,jk->ik", {{3, n}, {n, 5}}, t},
        {"ij,jk->ik", {{n, 3}, {3, 5}}, 3},
        {"ij,kj->ki", {{2, n}, {n, n}}, t},
        {"bij,bjk->bik", {{2, 3, n}, {2, n, 7}}, t},
        {"ij->ji", {{n, 5}}, 1},
        {"ij->i", {{3, n}}, t},
        {"ij->", {{3, n}}, 3 * t},
        {"i,i->", {{n}, {n}}, t},
        {"i,j->ij", {{n}, {7}}, 1},
        {"ii->i", {{n, n}}, 1},
        {"ii->", {{n, n}}, t},
        {"bhd,bd->bh", {{2, 5, n}, {2, n}}, t},
        {"...ij,...jk->...ik", {{2, 2, n}, {2, n, 3}}, t},
        {"bnth,bfnh->bntf", {{1, 2, 3, n}, {1, 2, 2, n}}, t},
        {"ijk,jl->ilk", {{2, n, 3}, {n, 2}}, t},
        {"ij,ij->ij", {{n, 3}, {n, 3}}, 1},
        {"ij,ij->j", {{n, 3}, {n, 3}}, t},
    };
    for (const Row& row : rows) {
      Case c{.name = cat(row.equation, n),
             .op = "Einsum",
             .attrs = {{"equation", std::string(row.equation)}}};
      for (size_t i = 0; i < row.shapes.size(); ++i)
        c.inputs.emplace_back(floats(row.shapes[i], static_cast<int>(i)));
      out.push_back({std::move(c), {.ulps = 1, .terms = row.terms + 2}});
    }
  }
}

void gather(Cases& out) {
  for (const int64_t n : kSizes) {
    const int seed = static_cast<int>(n);
    for (const int axis : {0, 1, 2, -1, -2, -3}) {
      const int at = axis < 0 ? axis + 3 : axis;
      Shape data{3, 4, 5};
      data[at] = n;
      out.push_back(
          {{.name = cat(n, "_", axis),
            .op = "Gather",
            .attrs = {{"axis", int64_t{axis}}},
            .inputs = {floats(data, seed), case_ints(DType::kInt64, Shape{2, 3}, -n, n - 1, seed)}},
           {}});
      Shape index = data;
      index[at] = 3;
      out.push_back(
          {{.name = cat("elements", n, "_", axis),
            .op = "GatherElements",
            .attrs = {{"axis", int64_t{axis}}},
            .inputs = {floats(data, seed), case_ints(DType::kInt64, index, -n, n - 1, seed)}},
           {}});
      index[at] = 1;
      out.push_back(
          {{.name = cat("scatter", n, "_", axis),
            .op = "ScatterElements",
            .attrs = {{"axis", int64_t{axis}}},
            .inputs = {floats(data, seed), case_ints(DType::kInt64, index, 0, n - 1, seed),
                       floats(index, 9)}},
           {}});
    }
    out.push_back({{.name = cat("nd", n),
                    .op = "GatherND",
                    .inputs = {floats(Shape{n, 3}, seed), case_ints(DType::kInt64, Shape{n, 2}, 0,
                                                                    std::min<int64_t>(n, 3) - 1)}},
                   {}});
    out.push_back({{.name = cat("one_hot", n),
                    .op = "OneHot",
                    .inputs = {case_ints(DType::kInt64, Shape{n}, -7, 6),
                               Tensor::scalar<int64_t>(7), floats(Shape{2}, 1)},
                    .constant_inputs = {1}},
                   {}});
  }
}

void loss(Cases& out) {
  for (const int64_t n : kSizes) {
    for (const int64_t classes : {2, 5, 7}) {
      for (const char* reduction : {"none", "mean", "sum"}) {
        const double d = 2, count = static_cast<double>(n);
        const bool sums = std::string_view(reduction) != "none";
        const Tensor labels = case_ints(DType::kInt64, Shape{n}, 0, classes - 1, 4);
        // log(sum of exponentials): each good to exp's units, and sums of up to n of them.
        const double one = (exp_ulps(2 * d) + static_cast<double>(classes) + 6 * d + 8) * 2 * kUnit;
        const double most = 2 * d + std::log(static_cast<double>(classes));
        out.push_back({{.name = cat(n, "_", classes, reduction),
                        .op = "SoftmaxCrossEntropyLoss",
                        .attrs = {{"reduction", std::string(reduction)}},
                        .inputs = {floats(Shape{n, classes}, 3, d), labels}},
                       {.ulps = 3,
                        .absolute = std::string_view(reduction) == "sum"
                                        ? count * (one + count * most * kUnit)
                                    : sums ? one + count * most * kUnit
                                           : one}});
        out.push_back({{.name = cat("nll", n, "_", classes, reduction),
                        .op = "NegativeLogLikelihoodLoss",
                        .attrs = {{"reduction", std::string(reduction)}},
                        .inputs = {floats(Shape{n, classes}, 5, d), labels}},
                       {.ulps = kDivision,
                        .absolute = std::string_view(reduction) == "sum" ? count * count * d * kUnit
                                    : sums                               ? count * d * kUnit
                                                                         : 0}});
      }
    }
  }
}

void matmul(Cases& out) {
  for (const int64_t m : {1, 2, 5, 7, 129}) {
    for (const int64_t k : {1, 3, 5, 7, 127, 129}) {
      for (const int64_t n : {1, 2, 3, 7, 129}) {
        const auto t = static_cast<double>(k);
        out.push_back({{.name = cat(m, "_", k, "_", n),
                        .op = "MatMul",
                        .inputs = {floats(Shape{m, k}, 1), floats(Shape{k, n}, 2)}},
                       {.ulps = 1, .terms = t + 1}});
        if (m > 7 || n > 7) continue;
        Case c{.name = cat("integer", m, "_", k, "_", n),
               .op = "MatMulInteger",
               .inputs = {case_ints(DType::kUInt8, Shape{m, k}, 0, 255),
                          case_ints(DType::kInt8, Shape{k, n}, -128, 127, 1),
                          Tensor::scalar<uint8_t>(131), case_ints(DType::kInt8, Shape{n}, -9, 9)},
               .constant_inputs = {2, 3}};
        out.push_back({std::move(c), {}});
        out.push_back(
            {{.name = cat("gemm", m, "_", k, "_", n),
              .op = "Gemm",
              .attrs =
                  {{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", 2.0f}},
              .inputs = {floats(Shape{k, m}, 1), floats(Shape{n, k}, 2), floats(Shape{n}, 3)}},
             {.ulps = 1, .terms = t + 4}});
      }
    }
  }
}

void norm(Cases& out) {
  for (const int64_t n : kSizes) {
    const int seed = static_cast<int>(n);
    const double t = tree_of(static_cast<double>(n));
    // (x - mean) / sqrt(variance + epsilon) * scale + shift, with |x| <= 1 and epsilon 0.1: mean
    // and variance off by their sums' roundings, which the root of at least sqrt(0.1) magnifies.
    const double off = ((t + 8) * kUnit * 2 / std::sqrt(0.1)) * (1 + 2 / std::sqrt(0.1)) +
                       16 * kUnit / std::sqrt(0.1);
    const Budget budget{.ulps = kRoot + kDivision, .absolute = off};
    const auto add = [&](const char* op, std::vector<Value> inputs, AttrMap attrs, Budget b,
                         const char* what) {
      out.push_back(
          {{.name = cat(what, n), .op = op, .attrs = std::move(attrs), .inputs = std::move(inputs)},
           std::move(b)});
    };
    for (const int64_t rows : {1, 3, 7}) {
      for (const int64_t axis : {-1, 1}) {
        add("LayerNormalization",
            {floats(Shape{rows, n}, seed), floats(Shape{n}, 1), floats(Shape{n}, 2)},
            {{"axis", axis}, {"epsilon", 0.1f}}, budget, axis < 0 ? "last" : "one");
        add("RMSNormalization", {floats(Shape{rows, n}, seed), floats(Shape{n}, 1)},
            {{"axis", axis}, {"epsilon", 0.1f}}, budget, axis < 0 ? "last" : "one");
      }
      add("InstanceNormalization",
          {floats(Shape{2, rows, n}, seed), floats(Shape{rows}, 1), floats(Shape{rows}, 2)},
          {{"epsilon", 0.1f}}, budget, "");
      add("GroupNormalization",
          {floats(Shape{2, 2 * rows, n}, seed), floats(Shape{2 * rows}, 1),
           floats(Shape{2 * rows}, 2)},
          {{"epsilon", 0.1f}, {"num_groups", int64_t{2}}},
          {.ulps = budget.ulps,
           .absolute = ((tree_of(static_cast<double>(n * rows)) + 8) * kUnit * 2 / std::sqrt(0.1)) *
                           (1 + 2 / std::sqrt(0.1)) +
                       16 * kUnit / std::sqrt(0.1)},
          "");
      add("BatchNormalization",
          {floats(Shape{2, n, rows}, seed), floats(Shape{n}, 1), floats(Shape{n}, 2),
           floats(Shape{n}, 3), floats_in(Shape{n}, 4, 0.1, 1)},
          {{"epsilon", 0.1f}},
          {.ulps = 2, .absolute = (kRoot + kDivision + 8) * 4 * kUnit / std::sqrt(0.2)}, "");
      add("LRN", {floats(Shape{1, n, rows}, seed)},
          {{"size", int64_t{3}}, {"alpha", 0.1f}, {"beta", 0.75f}}, {.ulps = 3 + 4 * 2 + kDivision},
          "");
    }
    add("LpNormalization", {floats(Shape{3, n}, seed)}, {{"axis", int64_t{-1}}, {"p", int64_t{2}}},
        {.ulps = t / 2 + kRoot + kDivision + 2}, "l2");
    add("LpNormalization", {floats(Shape{n, 3}, seed)}, {{"axis", int64_t{0}}, {"p", int64_t{1}}},
        {.ulps = t + kDivision + 2}, "l1");
  }
}

void pool(Cases& out) {
  for (const int64_t n : kSizes) {
    const int seed = static_cast<int>(n);
    const auto t = static_cast<double>(n);
    const auto add = [&](const char* op, const Shape& x, AttrMap attrs, Budget b, const char* what,
                         int outputs = 1) {
      out.push_back({{.name = cat(what, n),
                      .op = op,
                      .attrs = std::move(attrs),
                      .inputs = {floats(x, seed)},
                      .output_count = outputs},
                     std::move(b)});
    };
    for (const int64_t ceil : {0, 1}) {
      const AttrMap line{{"kernel_shape", Ints{3}},
                         {"strides", Ints{2}},
                         {"pads", Ints{1, 1}},
                         {"ceil_mode", ceil}};
      const AttrMap plane{{"kernel_shape", Ints{3, 2}},
                          {"strides", Ints{2, 2}},
                          {"pads", Ints{1, 0, 1, 1}},
                          {"ceil_mode", ceil}};
      add("MaxPool", {2, 3, n}, line, {}, ceil ? "ceil" : "");
      add("MaxPool", {2, 3, n}, line, {}, ceil ? "index_ceil" : "index", 2);
      add("AveragePool", {2, 3, n}, line, {.ulps = kDivision, .terms = 4}, ceil ? "ceil" : "");
      add("MaxPool", {1, n, 5, 4}, plane, {}, ceil ? "plane_ceil" : "plane");
      add("AveragePool", {1, n, 5, 4}, plane, {.ulps = kDivision, .terms = 7},
          ceil ? "plane_ceil" : "plane");
      AttrMap counted = plane;
      counted.set("count_include_pad", int64_t{1});
      add("AveragePool", {1, 2, n, 5}, counted, {.ulps = kDivision, .terms = 7},
          ceil ? "counted_ceil" : "counted");
      add("LpPool", {1, 2, n + 3, 5},
          {{"kernel_shape", Ints{2, 2}}, {"p", int64_t{2}}, {"ceil_mode", ceil}},
          {.ulps = kRoot + 4}, ceil ? "ceil" : "");
    }
    add("GlobalAveragePool", {2, 3, n}, {}, {.ulps = kDivision, .terms = t}, "");
    add("GlobalAveragePool", {1, n, 3, 5}, {}, {.ulps = kDivision, .terms = 15}, "channels");
    add("GlobalMaxPool", {2, 3, n}, {}, {}, "");
    add("GlobalMaxPool", {1, n, 3, 5}, {}, {}, "channels");
  }
}

void quantize(Cases& out) {
  for (const int64_t n : kSizes) {
    const int seed = static_cast<int>(n);
    for (const DType dtype : {DType::kInt8, DType::kUInt8}) {
      const auto zero_of = [&](const Shape& s) {
        return dtype == DType::kInt8 ? case_ints(dtype, s, -20, 20, 5)
                                     : case_ints(dtype, s, 100, 140, 5);
      };
      const auto bytes = [&](const Shape& s) {
        return dtype == DType::kInt8 ? case_ints(dtype, s, -128, 127, seed)
                                     : case_ints(dtype, s, 0, 255, seed);
      };
      const auto add = [&](const char* op, std::vector<Value> in, AttrMap attrs, Budget b,
                           std::string what, int outputs = 1) {
        out.push_back({{.name = cat(what, n, dtype_name(dtype)),
                        .op = op,
                        .attrs = std::move(attrs),
                        .inputs = std::move(in),
                        .output_count = outputs},
                       std::move(b)});
      };
      add("QuantizeLinear", {floats(Shape{n}, seed, 4), Tensor::scalar(0.037f), zero_of(Shape{})},
          {}, {}, "");
      add("DequantizeLinear", {bytes(Shape{n}), Tensor::scalar(0.037f), zero_of(Shape{})}, {},
          {.ulps = kRounded}, "");
      for (const int64_t axis : {0, 1, -1, -2}) {
        Shape s{3, n};
        if (axis == 0 || axis == -2) s = Shape{n, 3};
        add("QuantizeLinear",
            {floats(s, seed, 4), floats_in(Shape{n}, 2, 0.01, 0.05), zero_of(Shape{n})},
            {{"axis", axis}}, {}, cat("axis", axis, "_"));
        add("DequantizeLinear", {bytes(s), floats_in(Shape{n}, 2, 0.01, 0.05), zero_of(Shape{n})},
            {{"axis", axis}}, {.ulps = kRounded}, cat("axis", axis, "_"));
      }
    }
    out.push_back({{.name = cat("dynamic", n),
                    .op = "DynamicQuantizeLinear",
                    .inputs = {floats(Shape{n}, seed, 3)},
                    .output_count = 3},
                   {.ulps = kDivision}});
  }
}

void recurrent(Cases& out) {
  struct Row {
    const char* op;
    int64_t gates;
  };
  for (const Row& row : {Row{"LSTM", 4}, {"GRU", 3}, {"RNN", 1}}) {
    for (const int64_t hidden : {1, 2, 3, 5, 7, 33}) {
      for (const int64_t batch : {1, 3}) {
        for (const int64_t steps : {1, 5}) {
          for (const char* direction : {"forward", "reverse", "bidirectional"}) {
            const int64_t d = std::string_view(direction) == "bidirectional" ? 2 : 1;
            const int64_t in = 5;
            // A step's gates are off by the roundings of hidden + 5 products of at most 0.25 and 8
            // units of their function; what a step is off enters the next one, damped by slopes of
            // at most 1 and weights that sum up to hidden / 4.
            const double step =
                (static_cast<double>(hidden + in) * static_cast<double>(hidden + in) * 0.25 + 16) *
                2 * kUnit;
            const double grows = std::max(1.5, 1 + static_cast<double>(hidden) / 16);
            double off = 0;
            for (int64_t s = 0; s < steps; ++s) off = off * grows + step;
            out.push_back(
                {{.name = cat(hidden, "_", batch, "_", steps, direction),
                  .op = row.op,
                  .attrs = {{"hidden_size", hidden}, {"direction", std::string(direction)}},
                  .inputs = {floats(Shape{steps, batch, in}, 1),
                             floats(Shape{d, row.gates * hidden, in}, 2, 0.5),
                             floats(Shape{d, row.gates * hidden, hidden}, 3, 0.25),
                             floats(Shape{d, 2 * row.gates * hidden}, 4, 0.5)},
                  .output_count = 2,
                  .constant_inputs = {1, 2, 3}},
                 {.ulps = 8, .absolute = off}});
          }
        }
      }
    }
  }
}

void reduce(Cases& out) {
  for (const int64_t n : kSizes) {
    const int seed = static_cast<int>(n);
    const auto t = static_cast<double>(n);
    struct Row {
      const char* op;
      double low, high;
      Budget budget;
    };
    const Row rows[] = {
        {"ReduceSum", -1, 1, {.ulps = 1, .terms = t}},
        {"ReduceMean", -1, 1, {.ulps = kDivision, .terms = t}},
        {"ReduceMax", -1, 1, {}},
        {"ReduceMin", -1, 1, {}},
        {"ReduceProd", 0.8, 1.2, {.ulps = t}},
        {"ReduceL1", -1, 1, {.ulps = 1, .terms = t}},
        {"ReduceL2", -1, 1, {.ulps = t / 2 + kRoot + 1}},
        {"ReduceSumSquare", -1, 1, {.ulps = t + 1}},
        {"ReduceLogSum", 0.5, 2, {.ulps = 4, .absolute = t * kUnit * 2 + 0x1p-21}},
        {"ReduceLogSumExp",
         -1,
         1,
         {.ulps = 4, .absolute = (t + exp_ulps(2)) * kUnit * 2 + 0x1p-21}},
    };
    for (const Row& row : rows) {
      for (const int64_t axis : {0, 1, -1}) {
        const Shape shape = axis == 0 ? Shape{n, 5} : Shape{3, n};
        out.push_back({{.name = cat(n, "_", axis),
                        .op = row.op,
                        .attrs = {{"keepdims", int64_t{axis == 0}}},
                        .inputs = {floats_in(shape, seed, row.low, row.high), ints64({axis})},
                        .constant_inputs = {1}},
                       row.budget});
      }
    }
    for (const char* op : {"ArgMax", "ArgMin"}) {
      for (const int64_t axis : {0, -1}) {
        out.push_back({{.name = cat(n, "_", axis),
                        .op = op,
                        .attrs = {{"axis", axis}},
                        .inputs = {floats(axis == 0 ? Shape{n, 5} : Shape{3, n}, seed)}},
                       {}});
      }
    }
  }
}

void resize(Cases& out) {
  for (const int64_t from : {1, 2, 3, 5, 7, 66, 127, 129}) {
    for (const int64_t to : {1, 2, 3, 5, 7, 129, 255, 258}) {
      for (const char* mode : {"nearest", "linear", "cubic"}) {
        const bool exact = std::string_view(mode) == "nearest";
        // Positions are computed in float32: off by up to 4 roundings of their size, between
        // neighbours that are at most 2 apart; cubic weights sum up to at most 1.5 in magnitude.
        const double position = 4 * kUnit * static_cast<double>(std::max(from, to));
        for (const bool across : {false, true}) {
          const Shape x = across ? Shape{1, 2, from, 3} : Shape{1, 2, 3, from};
          const Ints size = across ? Ints{1, 2, to, 3} : Ints{1, 2, 3, to};
          out.push_back(
              {{.name = cat(mode, from, "_", to, across ? "rows" : ""),
                .op = "Resize",
                .attrs = {{"mode", std::string(mode)}},
                .inputs = {floats(x, 1), Value(), Value(), ints64(size)},
                .constant_inputs = {3}},
               exact ? Budget{} : Budget{.ulps = 2, .absolute = 2 * 1.5 * position + 16 * kUnit}});
        }
      }
    }
  }
}

void shape(Cases& out) {
  for (const int64_t n : kSizes) {
    const int seed = static_cast<int>(n);
    const auto add = [&](const char* op, std::vector<Value> in, AttrMap attrs, std::string what,
                         std::vector<int> constants = {}) {
      out.push_back({{.name = cat(what, n),
                      .op = op,
                      .attrs = std::move(attrs),
                      .inputs = std::move(in),
                      .constant_inputs = std::move(constants)},
                     {}});
    };
    for (const DType dtype : {DType::kFloat32, DType::kInt64, DType::kUInt8}) {
      const auto make = [&](const Shape& s) {
        return dtype == DType::kFloat32 ? floats(s, seed) : case_ints(dtype, s, 0, 100, seed);
      };
      const std::string name(dtype_name(dtype));
      add("Transpose", {make(Shape{n, 7})}, {{"perm", Ints{1, 0}}}, name);
      add("Transpose", {make(Shape{3, n, 2})}, {{"perm", Ints{2, 0, 1}}}, name + "3");
      add("Slice", {make(Shape{3, n}), ints64({-1}), ints64({-n - 1}), ints64({-1}), ints64({-1})},
          {}, name + "back", {1, 2, 3, 4});
      add("Slice",
          {make(Shape{n, 3}), ints64({n / 2}), ints64({-n - 1}), ints64({0}), ints64({-2})}, {},
          name + "half", {1, 2, 3, 4});
      add("Slice", {make(Shape{n, 3}), ints64({0}), ints64({n}), ints64({-2}), ints64({3})}, {},
          name + "third", {1, 2, 3, 4});
      add("Tile", {make(Shape{2, n}), ints64({3, 2})}, {}, name, {1});
      add("Expand", {make(Shape{2, 1, n}), ints64({2, 3, n})}, {}, name, {1});
      add("Pad", {make(Shape{2, n}), ints64({1, 2, 0, 3})}, {}, name, {1});
    }
    for (const char* mode : {"edge", "wrap", "reflect"}) {
      if (n == 1 && std::string_view(mode) == "reflect") continue;
      add("Pad", {floats(Shape{2, n}, seed), ints64({0, 1, 1, 1})}, {{"mode", std::string(mode)}},
          mode, {1});
    }
    add("DepthToSpace", {floats(Shape{1, 8, n, 3}, seed)}, {{"blocksize", int64_t{2}}}, "");
    add("SpaceToDepth", {floats(Shape{1, 3, 2 * n, 4}, seed)}, {{"blocksize", int64_t{2}}}, "");
    add("Trilu", {floats(Shape{n, 5}, seed)}, {{"upper", int64_t{0}}}, "");
  }
}

void signal(Cases& out) {
  for (const int64_t n : {2, 3, 4, 5, 6, 7, 66, 127, 129, 255, 258}) {
    for (const int64_t batch : {1, 3}) {
      for (const bool complex : {false, true}) {
        for (const int64_t inverse : {0, 1}) {
          for (const int64_t onesided : {0, 1}) {
            for (const int64_t axis : {-2, 1}) {
              if (onesided == 1 && (inverse == 1 || complex)) continue;
              // n products with a sine that is off by a few units.
              const double off = (static_cast<double>(n) + 8) * static_cast<double>(n) * kUnit * 2;
              out.push_back({{.name = cat(n, "_", batch, complex, inverse, onesided, axis),
                              .op = "DFT",
                              .attrs = {{"inverse", inverse}, {"onesided", onesided}},
                              .inputs = {floats(Shape{batch, n, complex ? 2 : 1}, 1), Value(),
                                         Tensor::scalar<int64_t>(axis)},
                              .constant_inputs = {2}},
                             {.absolute = inverse == 1 ? off / static_cast<double>(n) : off}});
            }
          }
        }
      }
    }
  }
}

void softmax(Cases& out) {
  for (const int64_t n : kSizes) {
    for (const char* op : {"Softmax", "LogSoftmax", "Hardmax"}) {
      for (const int64_t axis : {0, 1, -1, -2}) {
        for (const int64_t other : {1, 3, 7}) {
          const bool last = axis == 1 || axis == -1;
          const double d = 6, terms = static_cast<double>(std::min<int64_t>(n, 24)) + 8;
          // x - max is off by a rounding of up to 2d; each of the sum's rescalings is an exp.
          const double relative = (terms + 2) * (exp_ulps(2 * d) + 2 * d);
          Budget budget;
          if (std::string_view(op) == "Softmax") budget.ulps = relative + kDivision;
          if (std::string_view(op) == "LogSoftmax")
            budget = {.ulps = 4, .absolute = relative * 2 * kUnit + 0x1p-21 + 2 * d * kUnit * 2};
          out.push_back({{.name = cat(n, "_", axis, "_", other),
                          .op = op,
                          .attrs = {{"axis", axis}},
                          .inputs = {floats(last ? Shape{other, n} : Shape{n, other},
                                            static_cast<int>(n), d)}},
                         std::move(budget)});
        }
      }
    }
  }
}

void attention(Cases& out) {
  for (const int64_t keys : {1, 2, 3, 5, 7, 66, 127, 129}) {
    for (const int64_t queries : {1, 3, 7}) {
      for (const int64_t size : {2, 3, 5, 8, 33}) {
        for (const int64_t causal : {0, 1}) {
          const auto d = static_cast<double>(size), k = static_cast<double>(keys);
          // Scores of up to sqrt(d) are off by their roundings; exp magnifies that and adds its
          // own; then k products.
          const double score = (d + 4) * kUnit * std::sqrt(d);
          const double weight = 2 * score + (exp_ulps(2 * std::sqrt(d)) + k + 8) * 2 * kUnit;
          out.push_back(
              {{.name = cat(keys, "_", queries, "_", size, "_", causal),
                .op = "Attention",
                .attrs = {{"is_causal", causal}},
                .inputs = {floats(Shape{1, 2, queries, size}, 1),
                           floats(Shape{1, 2, keys, size}, 2), floats(Shape{1, 2, keys, 4}, 3)}},
               {.ulps = 2, .absolute = 2 * weight + k * kUnit}});
        }
      }
    }
  }
  for (const int64_t n : kSizes) {
    out.push_back({{.name = cat("rotary", n),
                    .op = "RotaryEmbedding",
                    .inputs = {floats(Shape{2, 3, n, 8}, 1), floats(Shape{2, n, 4}, 2),
                               floats(Shape{2, n, 4}, 3)}},
                   {.ulps = 1, .absolute = 4 * kUnit}});
  }
}

// --- running them

struct Family {
  const char* name;
  void (*cases)(Cases&);
};
void PrintTo(const Family& family, std::ostream* out) { *out << family.name; }

Case with_magnitudes(const Case& c) {
  Case out = c;
  for (Value& value : out.inputs) {
    if (!value.is_tensor() || !is_floating(value.tensor().dtype())) continue;
    Tensor copy = value.tensor().clone().value();
    for (int64_t i = 0; i < copy.elements(); ++i) copy.set_double(i, std::fabs(copy.get_double(i)));
    value = std::move(copy);
  }
  return out;
}

Result<std::vector<Value>> truth_of(const Case& c) {
  const auto graph = conformance::graph_of(c, false);
  SLUICE_TRY(op::infer_graph(ops::registry(), *graph));
  return op::interpret(ops::registry(), *graph, conformance::feeds_of(c));
}

// What was found of an operator. Units are those of the result; of the sum of magnitudes for sums,
// and of the largest result where terms of its size cancel (budgets with an absolute part).
struct Found {
  int cases = 0;
  double ulp = 0;    // the largest error
  double share = 0;  // of the budget
  std::string where;
};

// Empty, or the first element outside the budget.
std::string judge(const Tensor& got, const Tensor& want, const Tensor* magnitudes,
                  const Sized& sized, Found& found) {
  if (got.dtype() != want.dtype() || !(got.shape() == want.shape()))
    return cat(got.text(), " against ", want.text());
  const Budget& b = sized.budget;
  const Tensor* x = b.at ? &sized.c.inputs[0].tensor() : nullptr;
  double largest = 0;
  for (int64_t i = 0; b.absolute > 0 && i < want.elements(); ++i) {
    if (is_floating(want.dtype())) largest = std::max(largest, std::fabs(want.get_double(i)));
  }
  for (int64_t i = 0; i < want.elements(); ++i) {
    if (!is_floating(want.dtype())) {
      if (got.get_int(i) != want.get_int(i))
        return cat("element ", i, ": ", got.get_int(i), " against ", want.get_int(i));
      continue;
    }
    const double a = got.get_double(i), y = want.get_double(i);
    if (a == y || (std::isnan(a) && std::isnan(y))) continue;
    const double error = std::fabs(a - y);
    const double sum = magnitudes == nullptr ? 0 : magnitudes->get_double(i);
    const double units = error / ulp_of(std::max({std::fabs(y), sum, largest}), want.dtype());
    // The reference's own rounding: half a unit.
    double allowed =
        (b.ulps + 0.5) * ulp_of(y, want.dtype()) + b.terms * kUnit * sum + b.absolute + 0x1p-126;
    if (x != nullptr) allowed += b.at(x->get_double(i), y);
    if (units > found.ulp) found.where = sized.c.name;
    found.ulp = std::max(found.ulp, units);
    found.share = std::max(found.share, error / allowed);
    if (!(error <= allowed)) {
      return cat("element ", i, ": ", a, " against ", y, ", ", error / ulp_of(y, want.dtype()),
                 " ULP (", allowed, " is allowed)");
    }
  }
  return "";
}

// Cases in one graph (readbacks cost more than the work), ready to run.
struct Batch {
  std::shared_ptr<plan::Plan> plan;
  std::vector<Value> inputs;
  int64_t largest_grid = 1;  // workgroups
};

Result<Batch> compile(std::span<const Sized> part, const exec::webgpu::Device& device) {
  ir::Graph graph;
  std::map<std::string, Value> feeds;
  for (const Sized& sized : part) {
    const Case& c = sized.c;
    std::vector<ir::ValueId> ids;
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      if (!c.inputs[i].present()) {
        ids.push_back(ir::kNoValue);
        continue;
      }
      const Tensor& tensor = c.inputs[i].tensor();
      if (std::ranges::count(c.constant_inputs, static_cast<int>(i)) != 0) {
        ids.push_back(graph.add_constant(cat("c", graph.value_count()), tensor));
        continue;
      }
      const std::string name = cat("in", feeds.size());
      feeds[name] = tensor;
      ids.push_back(graph.add_input(name, Type::tensor(tensor.dtype(), to_dims(tensor.shape()))));
    }
    const ir::NodeId node = graph.add_node(c.op, ids, c.output_count, c.attrs, c.domain);
    for (const ir::ValueId id : graph.node(node).outputs) graph.outputs().push_back(id);
  }
  SLUICE_TRY(op::infer_graph(ops::registry(), graph));
  SLUICE_ASSIGN(const session::Planned planned,
                session::plan_for_gpu(graph, software(), device.features()));
  for (const session::Island& island : planned.islands) {
    return unsupported(cat("An island: ", island.op, ": ", island.reason));
  }
  Batch out;
  out.plan = planned.plan;
  for (const plan::SlotId id : out.plan->inputs) {
    out.inputs.push_back(feeds.at(out.plan->slot(id).name));
  }
  for (const plan::Step& step : out.plan->steps) {
    for (const plan::Dispatch& dispatch : step.dispatches) {
      out.largest_grid = std::max(out.largest_grid, dispatch.workgroups.evaluate({}).value_or(1));
    }
  }
  return out;
}

// Compares the results of a part's cases and adds to what was found.
void judge_all(std::span<const Sized> part, std::span<const Value> got,
               std::map<std::string, Found>& found, int& failures) {
  size_t at = 0;
  for (const Sized& sized : part) {
    const auto truth = truth_of(sized.c);
    ASSERT_TRUE(truth.ok()) << sized.c.op << " " << sized.c.name << ": " << truth.error().text();
    Result<std::vector<Value>> magnitudes = std::vector<Value>();
    if (sized.budget.terms > 0) magnitudes = truth_of(with_magnitudes(sized.c));
    ASSERT_TRUE(magnitudes.ok()) << magnitudes.error().text();
    Found& of = found[sized.c.op];
    ++of.cases;
    for (size_t i = 0; i < truth->size(); ++i, ++at) {
      if (!(*truth)[i].present()) continue;
      const std::string why =
          judge(got[at].tensor(), (*truth)[i].tensor(),
                i < magnitudes->size() ? &(*magnitudes)[i].tensor() : nullptr, sized, of);
      if (!why.empty() && ++failures <= 12) {
        ADD_FAILURE() << sized.c.op << " " << sized.c.name << ", output " << i << ": " << why;
      }
    }
  }
}

void print(const std::map<std::string, Found>& found) {
  for (const auto& [op, of] : found) {
    std::printf("    %-26s %4d cases, at most %6.2f ULP (%s), %3.0f %% of the budget\n", op.c_str(),
                of.cases, of.ulp, of.where.empty() ? "exact" : of.where.c_str(), 100 * of.share);
  }
}

class GpuNumbers : public testing::TestWithParam<Family> {};

TEST_P(GpuNumbers, AreInsideTheirBudgets) {
  SLUICE_NEED_DEVICE();
  Cases all;
  GetParam().cases(all);
  EXPECT_GE(all.size(), 200u);
  Cases taken;
  const size_t step = long_run() ? 1 : 4;
  for (size_t i = 0; i < all.size(); i += step)
    taken.push_back(all[std::min(i + i / step % step, all.size() - 1)]);
  std::map<std::string, Found> found;
  constexpr size_t kAtOnce = 96;
  int failures = 0, folded = 0;
  for (size_t begin = 0; begin < taken.size(); begin += kAtOnce) {
    const auto part = std::span(taken).subspan(begin, std::min(kAtOnce, taken.size() - begin));
    const auto batch = compile(part, *held.device);
    ASSERT_TRUE(batch.ok()) << batch.error().text();
    std::vector<Value> flat;
    for (const bool fold : {false, true}) {
      auto plan = std::make_shared<plan::Plan>(*batch->plan);
      if (fold) {
        // So few workgroups a dimension that the largest grid takes three.
        plan->limits.max_workgroups_per_dimension =
            static_cast<uint32_t>(std::ceil(std::cbrt(static_cast<double>(batch->largest_grid))));
        folded += batch->largest_grid > 1;
      }
      exec::webgpu::ExecutorOptions options;
      options.fill_word = fold ? 0x7fc0ffeeU : 20261121U;
      options.fill_random = !fold;
      auto executor = exec::webgpu::Executor::create(plan, held.device, options);
      ASSERT_TRUE(executor.ok()) << executor.error().text();
      auto got = (*executor)->run(batch->inputs, {});
      ASSERT_TRUE(got.ok()) << got.error().text();
      EXPECT_FALSE((*executor)->last_run().saw_poison);
      if (!fold) {
        flat = std::move(got).value();
        continue;
      }
      for (size_t i = 0; i < flat.size(); ++i) {
        EXPECT_TRUE(conformance::same_bits(flat[i], (*got)[i]))
            << "output " << i << " depends on what memory held, or on how its grid is folded";
      }
    }
    judge_all(part, flat, found, failures);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(failures, 0);
  EXPECT_GT(folded, 0);
  std::printf("  %s: %zu of %zu cases on %s\n", GetParam().name, taken.size(), all.size(),
              exec::webgpu::to_text(held.device->adapter()).c_str());
  print(found);
  const exec::webgpu::DeviceHealth health = held.device->health();
  EXPECT_EQ(health.uncaptured_errors, 0) << health.last_uncaptured_error;
}

constexpr Family kFamilies[] = {
    {"unary", &unary},         {"binary", &binary}, {"cast", &cast},
    {"concat", &concat},       {"conv", &conv},     {"einsum", &einsum},
    {"gather", &gather},       {"loss", &loss},     {"matmul", &matmul},
    {"norm", &norm},           {"pool", &pool},     {"quantize", &quantize},
    {"recurrent", &recurrent}, {"reduce", &reduce}, {"resize", &resize},
    {"shape", &shape},         {"signal", &signal}, {"softmax", &softmax},
    {"attention", &attention},
};

INSTANTIATE_TEST_SUITE_P(Ops, GpuNumbers, testing::ValuesIn(kFamilies),
                         [](const auto& family) { return std::string(family.param.name); });

// More workgroups than one dimension of a grid may have, in each family whose tensors can be large
// enough for that while one binding still holds them. Minutes: with SLUICE_LONG only.
TEST(GpuNumbersWide, MoreThan65535WorkgroupsInEachFamily) {
  if (!long_run()) GTEST_SKIP() << "not run: without SLUICE_LONG";
  SLUICE_NEED_DEVICE();
  const int64_t n = (int64_t{1} << 24) + 257;  // elements: 65,536 workgroups of 256 and a tail
  const int64_t rows = 65537;
  const Tensor line = floats(Shape{n}, 1);
  const Tensor bytes = case_ints(DType::kUInt8, Shape{n}, 0, 255);
  Cases cases;
  const auto add = [&](const char* op, std::vector<Value> in, AttrMap attrs, Budget b,
                       std::vector<int> constants = {}) {
    cases.push_back({{.name = "wide",
                      .op = op,
                      .attrs = std::move(attrs),
                      .inputs = std::move(in),
                      .constant_inputs = std::move(constants)},
                     std::move(b)});
  };
  add("Softsign", {line}, {}, {.ulps = kRounded + kDivision});
  add("Mul", {line, line}, {}, {.ulps = kRounded});
  add("Cast", {bytes}, {{"to", int64_t{1}}}, {});
  add("Concat", {bytes, case_ints(DType::kUInt8, Shape{3}, 0, 9)}, {{"axis", int64_t{-1}}}, {});
  add("Gather", {floats(Shape{7}, 2), case_ints(DType::kInt32, Shape{n}, -7, 6)}, {}, {});
  add("MaxPool", {floats(Shape{1, 1, n}, 3)}, {{"kernel_shape", Ints{2}}}, {});
  add("QuantizeLinear", {line, Tensor::scalar(0.01f), Tensor::scalar<uint8_t>(131)}, {}, {});
  add("Resize", {floats(Shape{1, 1, 41, 50}, 1), Value(), Value(), ints64({1, 1, 4100, 4100})},
      {{"mode", std::string("nearest")}}, {}, {3});
  add("Einsum", {floats(Shape{4099}, 1), floats(Shape{4099}, 2)},
      {{"equation", std::string("i,j->ij")}}, {.ulps = kRounded});
  add("Softmax", {floats(Shape{2, int64_t{1} << 24}, 1)}, {{"axis", int64_t{0}}}, {.ulps = 200});
  add("ReduceSum", {floats(Shape{rows, 130}, 1), ints64({-1})}, {}, {.ulps = 1, .terms = 130}, {1});
  add("LayerNormalization",
      {floats(Shape{rows, 65}, 1), floats(Shape{65}, 2), floats(Shape{65}, 3)}, {{"epsilon", 0.1f}},
      {.ulps = kRoot + kDivision, .absolute = 1e-5});
  add("MatMul", {floats(Shape{rows, 9, 3}, 1), floats(Shape{rows, 3, 9}, 2)}, {},
      {.ulps = 1, .terms = 4});
  add("Conv", {floats(Shape{1, 2 * rows, 1}, 1), floats(Shape{9 * rows, 2, 1}, 2)},
      {{"group", rows}}, {.ulps = 1, .terms = 4}, {1});
  add("Conv", {floats(Shape{1, 2 * rows, 1}, 1), floats(Shape{3 * rows, 2, 1}, 2)},
      {{"group", rows}}, {.ulps = 1, .terms = 4}, {1});
  add("LSTM",
      {floats(Shape{1, rows, 2}, 1), floats(Shape{1, 12, 2}, 2), floats(Shape{1, 12, 3}, 3)},
      {{"hidden_size", int64_t{3}}}, {.ulps = 8, .absolute = 4e-6});
  add("Attention",
      {floats(Shape{rows, 1, 1, 2}, 1), floats(Shape{rows, 1, 3, 2}, 2),
       floats(Shape{rows, 1, 3, 2}, 3)},
      {}, {.ulps = 2, .absolute = 4e-6});
  const auto device = gpu_tests::patient_device(held);
  ASSERT_NE(device, nullptr);
  int wide = 0, failures = 0;
  std::map<std::string, Found> found;
  for (const Sized& sized : cases) {
    SCOPED_TRACE(sized.c.op);
    const auto part = std::span(&sized, 1);
    const auto batch = compile(part, *device);
    ASSERT_TRUE(batch.ok()) << batch.error().text();
    std::printf("    %-20s %lld workgroups\n", sized.c.op.c_str(),
                static_cast<long long>(batch->largest_grid));
    wide += batch->largest_grid > 65535;
    auto executor = exec::webgpu::Executor::create(batch->plan, device, {});
    ASSERT_TRUE(executor.ok()) << executor.error().text();
    const auto got = (*executor)->run(batch->inputs, {});
    ASSERT_TRUE(got.ok()) << got.error().text();
    EXPECT_FALSE((*executor)->last_run().saw_poison);
    judge_all(part, *got, found, failures);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(wide, static_cast<int>(cases.size()));
  print(found);
}

}  // namespace
}  // namespace sluice
