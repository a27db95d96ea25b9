// TFLite operators that work element by element: unary, binary with numpy's broadcast, selection,
// activations, casts and quantization.

#include <cmath>

#include "base/text.h"
#include "import/tflite_scope.h"

namespace sluice::import {

using ir::ValueId;

namespace {

// One ONNX operator of the same meaning.
template <const char* kOp>
Result<void> unary(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId y, n.s.emit(kOp, {x}));
  return n.set(0, y);
}

template <const char* kOp>
Result<void> binary(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId a, n.in(0));
  SLUICE_ASSIGN(const ValueId b, n.in(1));
  SLUICE_ASSIGN(ValueId y, n.s.emit(kOp, {a, b}));
  SLUICE_ASSIGN(y, n.activated(y));
  return n.set(0, y);
}

#define SLUICE_OP_NAME(name) constexpr char k##name[] = #name;
// clang-format off: one list, which the formatter would indent further every time
SLUICE_OP_NAME(Abs)
SLUICE_OP_NAME(Ceil)
SLUICE_OP_NAME(Cos)
SLUICE_OP_NAME(Exp)
SLUICE_OP_NAME(Floor)
SLUICE_OP_NAME(Log)
SLUICE_OP_NAME(Sigmoid)
SLUICE_OP_NAME(Neg)
SLUICE_OP_NAME(Relu)
SLUICE_OP_NAME(Round)
SLUICE_OP_NAME(Sin)
SLUICE_OP_NAME(Sqrt)
SLUICE_OP_NAME(Tanh)
SLUICE_OP_NAME(Elu)
SLUICE_OP_NAME(HardSwish)
SLUICE_OP_NAME(Sign)
SLUICE_OP_NAME(Not)
SLUICE_OP_NAME(Add)
SLUICE_OP_NAME(Sub)
SLUICE_OP_NAME(Mul)
SLUICE_OP_NAME(Div)
SLUICE_OP_NAME(Max)
SLUICE_OP_NAME(Min)
SLUICE_OP_NAME(Pow)
SLUICE_OP_NAME(Equal)
SLUICE_OP_NAME(Greater)
SLUICE_OP_NAME(GreaterOrEqual)
SLUICE_OP_NAME(Less)
SLUICE_OP_NAME(LessOrEqual)
SLUICE_OP_NAME(And)
SLUICE_OP_NAME(Or)
SLUICE_OP_NAME(PRelu)
// clang-format on
#undef SLUICE_OP_NAME
constexpr char kRelu6[] = "RELU6";
constexpr char kReluN1[] = "RELU_N1_TO_1";

template <const char* kFunction>
Result<void> activation(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId y, n.activated(x, kFunction));
  return n.set(0, y);
}

Result<void> relu_0_to_1(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  const DType dtype = n.s.dtype(x);
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Clip", {x, n.s.scalar(dtype, 0), n.s.scalar(dtype, 1)}));
  return n.set(0, y);
}

Result<void> rsqrt(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId root, n.s.emit("Sqrt", {x}));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Reciprocal", {root}));
  return n.set(0, y);
}

Result<void> square(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Mul", {x, x}));
  return n.set(0, y);
}

Result<void> leaky_relu(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("LeakyRelu", {x}, {{"alpha", n.real("alpha")}}));
  return n.set(0, y);
}

Result<void> gelu(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId y,
                n.s.emit("Gelu", {x},
                         {{"approximate", std::string(n.flag("approximate") ? "tanh" : "none")}}));
  return n.set(0, y);
}

Result<void> zeros_like(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  SLUICE_ASSIGN(const ValueId shape, n.s.emit("Shape", {x}));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Expand", {n.s.scalar(n.s.dtype(x), 0), shape}));
  return n.set(0, y);
}

Result<void> not_equal(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId a, n.in(0));
  SLUICE_ASSIGN(const ValueId b, n.in(1));
  SLUICE_ASSIGN(const ValueId same, n.s.emit("Equal", {a, b}));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Not", {same}));
  return n.set(0, y);
}

Result<void> squared_difference(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId a, n.in(0));
  SLUICE_ASSIGN(const ValueId b, n.in(1));
  SLUICE_ASSIGN(const ValueId d, n.s.emit("Sub", {a, b}));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Mul", {d, d}));
  return n.set(0, y);
}

// a - floor(a / b) * b, with the sign of b; integers by ONNX's Mod, which rounds the same way.
Result<ValueId> floor_mod_of(TfliteNode& n, ValueId a, ValueId b) {
  if (is_integer(n.s.dtype(a))) return n.s.emit("Mod", {a, b});
  SLUICE_ASSIGN(const ValueId quotient, n.s.emit("Div", {a, b}));
  SLUICE_ASSIGN(const ValueId whole, n.s.emit("Floor", {quotient}));
  SLUICE_ASSIGN(const ValueId back, n.s.emit("Mul", {whole, b}));
  return n.s.emit("Sub", {a, back});
}

Result<void> floor_mod(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId a, n.in(0));
  SLUICE_ASSIGN(const ValueId b, n.in(1));
  SLUICE_ASSIGN(const ValueId y, floor_mod_of(n, a, b));
  return n.set(0, y);
}

Result<void> floor_div(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId a, n.in(0));
  SLUICE_ASSIGN(const ValueId b, n.in(1));
  ValueId y = ir::kNoValue;
  if (is_integer(n.s.dtype(a))) {
    // Div truncates; the remainder taken off first, it is exact.
    SLUICE_ASSIGN(const ValueId rest, n.s.emit("Mod", {a, b}));
    SLUICE_ASSIGN(const ValueId whole, n.s.emit("Sub", {a, rest}));
    SLUICE_ASSIGN(y, n.s.emit("Div", {whole, b}));
  } else {
    SLUICE_ASSIGN(const ValueId quotient, n.s.emit("Div", {a, b}));
    SLUICE_ASSIGN(y, n.s.emit("Floor", {quotient}));
  }
  return n.set(0, y);
}

// atan(y / x), turned by pi where x is negative: towards the sign of y.
Result<void> atan2(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId y, n.in(0));
  SLUICE_ASSIGN(const ValueId x, n.in(1));
  TfliteScope& s = n.s;
  const DType dtype = s.dtype(y);
  const ValueId zero = s.scalar(dtype, 0), pi = s.scalar(dtype, 3.14159265358979323846);
  SLUICE_ASSIGN(const ValueId quotient, s.emit("Div", {y, x}));
  SLUICE_ASSIGN(const ValueId angle, s.emit("Atan", {quotient}));
  SLUICE_ASSIGN(const ValueId up, s.emit("Add", {angle, pi}));
  SLUICE_ASSIGN(const ValueId down, s.emit("Sub", {angle, pi}));
  SLUICE_ASSIGN(const ValueId y_negative, s.emit("Less", {y, zero}));
  SLUICE_ASSIGN(const ValueId x_negative, s.emit("Less", {x, zero}));
  SLUICE_ASSIGN(const ValueId turned, s.emit("Where", {y_negative, down, up}));
  SLUICE_ASSIGN(const ValueId finite, s.emit("Where", {x_negative, turned, angle}));
  // 0 / 0: the angle is 0.
  SLUICE_ASSIGN(const ValueId x_zero, s.emit("Equal", {x, zero}));
  SLUICE_ASSIGN(const ValueId y_zero, s.emit("Equal", {y, zero}));
  SLUICE_ASSIGN(const ValueId both, s.emit("And", {x_zero, y_zero}));
  SLUICE_ASSIGN(const ValueId out, s.emit("Where", {both, zero, finite}));
  return n.set(0, out);
}

Result<void> bitwise_xor(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId a, n.raw(0));
  SLUICE_ASSIGN(const ValueId b, n.raw(1));
  SLUICE_ASSIGN(const ValueId y,
                n.s.emit(n.s.dtype(a) == DType::kBool ? "Xor" : "BitwiseXor", {a, b}));
  return n.set(0, y);
}

Result<void> add_n(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(ValueId sum, n.in(0));
  for (int i = 1; i < n.input_count(); ++i) {
    SLUICE_ASSIGN(const ValueId more, n.in(i));
    SLUICE_ASSIGN(sum, n.s.emit("Add", {sum, more}));
  }
  return n.set(0, sum);
}

// SELECT lets a vector of conditions choose whole rows; SELECT_V2 broadcasts.
template <bool kRows>
Result<void> select(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(ValueId condition, n.raw(0));
  const bool moved = n.alike(1) && n.alike(2);
  SLUICE_ASSIGN(const ValueId a, moved ? n.raw(1) : n.in(1));
  SLUICE_ASSIGN(const ValueId b, moved ? n.raw(2) : n.in(2));
  const auto rank = n.s.rank(a);
  if (kRows && n.s.rank(condition) == 1 && rank && *rank > 1) {
    std::vector<int64_t> axes;
    for (int axis = 1; axis < *rank; ++axis) axes.push_back(axis);
    SLUICE_ASSIGN(condition, n.s.emit("Unsqueeze", {condition, n.s.ints(axes)}));
  }
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Where", {condition, a, b}));
  return moved ? n.set_raw(0, y) : n.set(0, y);
}

Result<void> cast_to(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  const DType to = n.out_dtype(0);
  if (to == DType::kUndefined) return n.no_support("the output has no element type");
  SLUICE_ASSIGN(const ValueId y, n.s.cast(x, to));
  return n.set_raw(0, y);
}

// DEQUANTIZE also widens float16. A constant stays as it is stored until somebody asks, so that
// convolutions can permute the stored form.
Result<void> dequantize(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  if (const TfliteConstant* from = n.s.constant_of(n.in_name(0));
      from != nullptr && !from->is_real) {
    TfliteConstant to = *from;
    to.widen =
        to.widen || (from->quantization == nullptr && from->tensor.dtype() == DType::kFloat16 &&
                     n.out_dtype(0) == DType::kFloat32);
    to.is_real = true;
    if (to.widen || to.quantization != nullptr)
      return n.s.bind_constant(n.out_name(0), std::move(to));
  }
  SLUICE_ASSIGN(ValueId x, n.in(0));
  if (n.out_dtype(0) != DType::kUndefined) {
    SLUICE_ASSIGN(x, n.s.cast(x, n.out_dtype(0)));
  }
  return n.set_raw(0, x);
}

// Sparse constants were made dense by the reader.
Result<void> densify(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  if (const TfliteConstant* from = n.s.constant_of(n.in_name(0)); from != nullptr) {
    return n.s.bind_constant(n.out_name(0), *from);
  }
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  return n.set_raw(0, x);
}

Result<void> quantize(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  if (!n.out_quantized(0)) return n.no_support("the output has no quantization parameters");
  return n.set(0, x);
}

// Rounds to the num_bits grid between min and max, moved so that 0 lies on it.
Result<void> fake_quant(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  const double low = n.real("min"), high = n.real("max");
  const int64_t bits = n.number("num_bits", 8);
  if (bits < 2 || bits > 16 || !(low < high)) {
    return n.fail(
        cat("the range is ", low, " to ", high, " in ", bits, " bits (min < max, 2 to 16 bits)"));
  }
  const double q_low = n.flag("narrow_range") ? 1 : 0,
               q_high = static_cast<double>((int64_t{1} << bits) - 1);
  const double scale = (high - low) / (q_high - q_low);
  double zero = std::round(q_low - low / scale);
  zero = zero < q_low ? q_low : zero > q_high ? q_high : zero;
  TfliteScope& s = n.s;
  const auto number = [&](double v) { return s.scalar(DType::kFloat32, v); };
  SLUICE_ASSIGN(ValueId y, s.emit("Clip", {x, number((q_low - zero) * scale),
                                           number((q_high - zero) * scale)}));
  SLUICE_ASSIGN(y, s.emit("Div", {y, number(scale)}));
  SLUICE_ASSIGN(y, s.emit("Round", {y}));
  SLUICE_ASSIGN(y, s.emit("Mul", {y, number(scale)}));
  return n.set(0, y);
}

Result<void> complex_unsupported(TfliteNode& n) {
  return n.no_support("complex numbers are not supported");
}

constexpr TfliteRow kRows[] = {
    {"ABS", unary<kAbs>},
    {"CEIL", unary<kCeil>},
    {"COS", unary<kCos>},
    {"EXP", unary<kExp>},
    {"FLOOR", unary<kFloor>},
    {"LOG", unary<kLog>},
    {"LOGISTIC", unary<kSigmoid>},
    {"NEG", unary<kNeg>},
    {"RELU", unary<kRelu>},
    {"RELU6", activation<kRelu6>},
    {"RELU_N1_TO_1", activation<kReluN1>},
    {"RELU_0_TO_1", relu_0_to_1},
    {"ROUND", unary<kRound>},
    {"RSQRT", rsqrt},
    {"SIN", unary<kSin>},
    {"SQRT", unary<kSqrt>},
    {"SQUARE", square},
    {"TANH", unary<kTanh>},
    {"ELU", unary<kElu>},
    {"HARD_SWISH", unary<kHardSwish>},
    {"LEAKY_RELU", leaky_relu},
    {"PRELU", binary<kPRelu>},
    {"GELU", gelu},
    {"SIGN", unary<kSign>},
    {"LOGICAL_NOT", unary<kNot>},
    {"ZEROS_LIKE", zeros_like},
    {"ADD", binary<kAdd>},
    {"SUB", binary<kSub>},
    {"MUL", binary<kMul>},
    {"DIV", binary<kDiv>},
    {"MAXIMUM", binary<kMax>},
    {"MINIMUM", binary<kMin>},
    {"POW", binary<kPow>},
    {"EQUAL", binary<kEqual>},
    {"NOT_EQUAL", not_equal},
    {"GREATER", binary<kGreater>},
    {"GREATER_EQUAL", binary<kGreaterOrEqual>},
    {"LESS", binary<kLess>},
    {"LESS_EQUAL", binary<kLessOrEqual>},
    {"LOGICAL_AND", binary<kAnd>},
    {"LOGICAL_OR", binary<kOr>},
    {"BITWISE_XOR", bitwise_xor},
    {"SQUARED_DIFFERENCE", squared_difference},
    {"FLOOR_DIV", floor_div},
    {"FLOOR_MOD", floor_mod},
    {"ATAN2", atan2},
    {"ADD_N", add_n},
    {"SELECT", select<true>},
    {"SELECT_V2", select<false>},
    {"CAST", cast_to},
    {"DEQUANTIZE", dequantize},
    {"DENSIFY", densify},
    {"QUANTIZE", quantize},
    {"FAKE_QUANT", fake_quant},
    {"COMPLEX_ABS", complex_unsupported},
    {"REAL", complex_unsupported},
    {"IMAG", complex_unsupported},
};

}  // namespace

std::span<const TfliteRow> tflite_elementwise_rows() { return kRows; }

}  // namespace sluice::import
