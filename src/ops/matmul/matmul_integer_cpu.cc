// A constant B is packed once: words of four steps of the depth, in panels of 16 columns. The bytes
// b' of B are unsigned with one zero point Z for all columns; those of A, a', are signed, zero
// point z. Then
//
//   sum of (a' - z) (b' - Z) = sum of a' b'  -  z * sum of b'  -  Z * sum of a'  +  K z Z
//
// The first term is the kernel's, the second a number for each column, the others one for each row.
// Integers wrap at 32 bits, as the operators define.
#include "ops/matmul/matmul_integer_cpu.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "op/operand.h"
#include "op/quantization.h"
#include "op/scratch.h"
#include "ops/matmul/matmul.h"
#include "simd/dot_i8.h"
#include "simd/quantize.h"
#include "simd/scratch_slots.h"

namespace sluice::ops::matmul {

using op::NodeView;
using plan::KernelContext;
using simd::kPanelCols;
using simd::kPanelRows;
using simd::round_up;

namespace {

constexpr op::DTypeSet kBytes = {DType::kInt8, DType::kUInt8};

int32_t byte_at(const Tensor& t, int64_t i) {
  return t.dtype() == DType::kInt8 ? t.data<int8_t>()[i] : t.data<uint8_t>()[i];
}

// --- packed B: Z, the sum of b' for each column (padded to a panel), then the words
// [panel][K / 4][16]

int64_t words_of(int64_t k) { return (k + 3) / 4; }

struct PackedB {
  int32_t zero = 0;
  const int32_t* sums = nullptr;
  const uint32_t* words = nullptr;

  PackedB(const Tensor& packed, int64_t n)
      : zero(packed.data<int32_t>()[0]),
        sums(packed.data<int32_t>() + kPanelCols),
        words(reinterpret_cast<const uint32_t*>(sums + round_up(n, kPanelCols))) {}
};

// Whether one zero point can serve all columns, and which: of the bytes as they are (unsigned), or
// 128, of their differences to the zero points.
struct CommonZero {
  bool possible = false, centred = false;
  int32_t zero = 0;
};
CommonZero common_zero(const Tensor& b, const Tensor* zero, bool transposed) {
  const int32_t shift = b.dtype() == DType::kInt8 ? 128 : 0;
  if (zero == nullptr) return {.possible = true, .zero = shift};
  const int64_t n = b.dim(transposed ? 0 : 1), k = b.dim(transposed ? 1 : 0);
  if (zero->dtype() != b.dtype() || (zero->elements() != 1 && zero->elements() != n) ||
      zero->rank() > 1) {
    return {};
  }
  const int32_t first = byte_at(*zero, 0);
  bool same = true;
  for (int64_t i = 1; i < zero->elements(); ++i) same = same && byte_at(*zero, i) == first;
  if (same) return {.possible = true, .zero = first + shift};
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < k; ++i) {
      const int32_t d = byte_at(b, transposed ? j * k + i : i * n + j) - byte_at(*zero, j);
      if (d < -128 || d > 127) return {};
    }
  }
  return {.possible = true, .centred = true, .zero = 128};
}

Result<Tensor> pack(const Tensor& b, const Tensor* zero, bool transposed) {
  if (!kBytes.has(b.dtype()) || b.rank() != 2 || b.elements() == 0) return Tensor();
  const CommonZero common = common_zero(b, zero, transposed);
  if (!common.possible) return Tensor();
  const int64_t n = b.dim(transposed ? 0 : 1), k = b.dim(transposed ? 1 : 0);
  const int64_t words = words_of(k), columns = round_up(n, kPanelCols);
  const Checked size = Checked::from_signed(columns) * Checked::from_signed(words) +
                       Checked::from_signed(columns) + static_cast<uint64_t>(kPanelCols);
  if (!size.fits(uint64_t{1} << 40)) return Tensor();
  SLUICE_ASSIGN(Tensor packed,
                Tensor::allocate(DType::kInt32, Shape{static_cast<int64_t>(size.value())}));
  auto* const head = packed.mutable_data<int32_t>();
  std::memset(head, 0, packed.size_bytes());
  head[0] = common.zero;
  int32_t* const sums = head + kPanelCols;
  auto* const to = reinterpret_cast<uint32_t*>(sums + columns);
  const int32_t shift = b.dtype() == DType::kInt8 ? 128 : 0;
  for (int64_t j = 0; j < n; ++j) {
    const int32_t add = common.centred ? 128 - byte_at(*zero, j) : shift;
    uint32_t* const panel = to + j / kPanelCols * words * kPanelCols + j % kPanelCols;
    for (int64_t i = 0; i < k; ++i) {
      const int32_t value = byte_at(b, transposed ? j * k + i : i * n + j) + add;
      sums[j] += value;
      panel[i / 4 * kPanelCols] |= static_cast<uint32_t>(value) << (8 * (i % 4));
    }
  }
  return packed;
}

// --- one product

template <class T>
Result<T*> scratch(KernelContext& context, Checked count) {
  return op::scratch<T>(context, count, "An integer product");
}
Checked size(int64_t n) { return Checked::from_signed(n); }

struct Product {
  int64_t m = 0, k = 0, n = 0;
  const uint8_t* a = nullptr;  // [m, k]
  bool a_signed = false;
  int32_t a_zero = 0;
};

// What becomes of the sums: int32; or float32; or bytes. Factors are one for all columns or one for
// each (step 0 or 1).
struct Ending {
  int32_t* sums = nullptr;
  float* floats = nullptr;
  uint8_t* bytes = nullptr;
  simd::RowEnding row;
};

Result<void> multiply(KernelContext& context, const Product& p, const Ending& ending) {
  const PackedB b(context.prepared(), p.n);
  const int64_t words = words_of(p.k), panels = (p.m + kPanelRows - 1) / kPanelRows;
  SLUICE_ASSIGN(uint32_t* const a_words,
                scratch<uint32_t>(context, size(panels) * size(kPanelRows) * size(words)));
  SLUICE_ASSIGN(int32_t* const row_add,
                scratch<int32_t>(context, size(panels) * size(2 * kPanelRows)));
  int32_t* const row_factor = row_add + panels * kPanelRows;
  const int32_t a_zero = p.a_signed ? p.a_zero : p.a_zero - 128;
  const uint32_t flip = p.a_signed ? 0 : 0x80808080u;

  context.parallel_for(
      panels, std::max<int64_t>(1, (1 << 15) / (8 * p.k)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin * kPanelRows; row < end * kPanelRows; ++row) {
          uint32_t* const to = a_words + row / kPanelRows * kPanelRows * words + row % kPanelRows;
          if (row >= p.m) {
            for (int64_t i = 0; i < words; ++i) to[i * kPanelRows] = 0;
            row_add[row] = row_factor[row] = 0;
            continue;
          }
          const uint8_t* const from = p.a + row * p.k;
          int64_t sum = 0;
          for (int64_t i = 0; i < p.k; ++i) sum += from[i] ^ (flip & 0xff);
          // As signed bytes: those above 127 count 256 less.
          int64_t above = 0;
          for (int64_t i = 0; i < p.k; ++i) above += (from[i] ^ (flip & 0xff)) >> 7;
          sum -= 256 * above;
          for (int64_t i = 0; i < words; ++i) {
            const int64_t some = std::min<int64_t>(4, p.k - 4 * i);
            uint32_t word = 0;
            std::memcpy(&word, from + 4 * i, static_cast<size_t>(some));
            const uint32_t used = some == 4 ? ~0u : (1u << (8 * some)) - 1;
            to[i * kPanelRows] = (word ^ flip) & used;
          }
          const int64_t zeros = static_cast<int64_t>(a_zero) * b.zero;
          row_add[row] = static_cast<int32_t>(static_cast<uint32_t>(
              static_cast<uint64_t>(p.k) * static_cast<uint64_t>(zeros) -
              static_cast<uint64_t>(sum) * static_cast<uint64_t>(int64_t{b.zero})));
          row_factor[row] = -a_zero;
        }
      });

  SLUICE_ASSIGN(uint32_t* const offsets, scratch<uint32_t>(context, size(words)));
  for (int64_t i = 0; i < words; ++i) offsets[i] = static_cast<uint32_t>(i * kPanelCols);
  // Sums that become something else are kept for one block at a time.
  constexpr int64_t kBlockRows = 64, kBlockColumns = 4 * simd::kTileCols;
  const int64_t row_blocks = (p.m + kBlockRows - 1) / kBlockRows;
  const int64_t column_blocks = (p.n + kBlockColumns - 1) / kBlockColumns;
  const bool in_place = ending.sums != nullptr;
  const int64_t slot_words = in_place ? 16 : std::min(kBlockRows, p.m) * kBlockColumns;
  const int slots = std::clamp(context.threads(), 1, 64);
  SLUICE_ASSIGN(float* const memory, scratch<float>(context, size(slot_words) * size(slots)));
  simd::ScratchSlots areas(memory, slots, slot_words);
  const int64_t work = std::min(kBlockRows, p.m) * kBlockColumns * p.k;
  context.parallel_for(
      row_blocks * column_blocks, std::max<int64_t>(1, (1 << 22) / std::max<int64_t>(1, work)),
      [&](int64_t begin, int64_t end) {
        const simd::ScratchSlots::Slot slot(areas);
        auto* const held = reinterpret_cast<int32_t*>(slot.data());
        for (int64_t task = begin; task < end; ++task) {
          const int64_t row0 = task / column_blocks * kBlockRows;
          const int64_t x0 = task % column_blocks * kBlockColumns;
          simd::DotTile t;
          t.rows = std::min(kBlockRows, p.m - row0);
          t.width = std::min(kBlockColumns, p.n - x0);
          t.b_panel = words * kPanelCols;
          t.c = in_place ? ending.sums + row0 * p.n + x0 : held;
          t.c_row = in_place ? p.n : kBlockColumns;
          t.row_add = row_add + row0;
          if (a_zero != 0) {
            t.row_factor = row_factor + row0;
            t.column_sum = b.sums + x0;
          }
          t.a = a_words + row0 * words;
          t.b = b.words + x0 * words;
          t.offsets = offsets;
          t.depth = words;
          simd::dot_tile(t);
          if (in_place) continue;
          simd::RowEnding columns = ending.row;
          columns.factor += columns.factor_step * x0;
          if (columns.add != nullptr) columns.add += x0;
          if (columns.bias != nullptr) columns.bias += x0;
          for (int64_t r = 0; r < t.rows; ++r) {
            const int64_t at = (row0 + r) * p.n + x0;
            if (ending.bytes != nullptr) {
              simd::requantize_row(held + r * kBlockColumns, columns, ending.bytes + at, t.width);
            } else {
              simd::scale_row(held + r * kBlockColumns, columns, ending.floats + at, t.width);
            }
          }
        }
      });
  return {};
}

// --- operators

Result<Product> product_of(const KernelContext& context, const Tensor& a, int zero,
                           const Shape& b_shape, bool transposed) {
  if (!context.prepared().defined() || b_shape.rank() != 2) {
    return unsupported("An integer product was planned for packed weights, which it lacks");
  }
  Product p;
  p.k = b_shape[transposed ? 1 : 0];
  p.n = b_shape[transposed ? 0 : 1];
  if (a.rank() < 1 || a.dim(-1) != p.k) {
    return invalid_model(cat("Input A of shape ", a.shape().text(),
                             " does not end in B's inner extent (", p.k, ")"));
  }
  p.m = a.elements() / p.k;
  p.a = reinterpret_cast<const uint8_t*>(a.bytes().data());
  p.a_signed = a.dtype() == DType::kInt8;
  if (zero >= 0 && context.has(zero)) {
    SLUICE_ASSIGN(const Tensor* z, op::input_tensor(context, zero, kBytes));
    if (z->elements() != 1 || z->dtype() != a.dtype()) {
      return unsupported(cat("The zero point of A is ", z->text(), " (one ", dtype_name(a.dtype()),
                             " is needed)"));
    }
    p.a_zero = byte_at(*z, 0);
  }
  return p;
}

Result<const Tensor*> scale_of(const KernelContext& context, int i, int64_t columns) {
  SLUICE_ASSIGN(const Tensor* scale, op::input_tensor(context, i, {DType::kFloat32}));
  if (scale->elements() != 1 && scale->elements() != columns) {
    return unsupported(
        cat("Input ", i, " has ", scale->elements(), " scales (1 or ", columns, ")"));
  }
  return scale;
}

Result<void> matmul_integer_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* b, op::input_tensor(context, 1, kBytes));
  SLUICE_ASSIGN(const MatMulShape shape, matmul_shape(a->shape(), b->shape()));
  SLUICE_ASSIGN(const Product p, product_of(context, *a, 2, b->shape(), false));
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kInt32, shape.out));
  if (y->elements() == 0) return {};
  Ending ending;
  ending.sums = y->mutable_data<int32_t>();
  return multiply(context, p, ending);
}

// factor[j] = rounded to float32 after each step: scale * scales[j].
Result<std::span<float>> scaled(KernelContext& context, float scale, const Tensor& scales) {
  SLUICE_ASSIGN(float* const out, scratch<float>(context, size(scales.elements())));
  for (int64_t j = 0; j < scales.elements(); ++j) out[j] = scale * scales.data<float>()[j];
  return std::span<float>(out, static_cast<size_t>(scales.elements()));
}

Result<void> to_float(KernelContext& context, const Product& p, const Shape& out, float a_scale,
                      int b_scale, int bias) {
  SLUICE_ASSIGN(const Tensor* scales, scale_of(context, b_scale, p.n));
  Ending ending;
  if (context.has(bias)) {
    SLUICE_ASSIGN(const Tensor* add, op::input_tensor(context, bias, {DType::kFloat32}));
    if (add->elements() != p.n) {
      return invalid_model(
          cat("The bias has ", add->elements(), " elements (", p.n, " are needed)"));
    }
    ending.row.bias = add->data<float>();
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, DType::kFloat32, out));
  if (y->elements() == 0) return {};
  SLUICE_ASSIGN(const std::span<float> factors, scaled(context, a_scale, *scales));
  ending.row.factor = factors.data();
  ending.row.factor_step = factors.size() == 1 ? 0 : 1;
  ending.floats = y->mutable_data<float>();
  return multiply(context, p, ending);
}

Result<void> matmul_integer_to_float_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* b, op::input_tensor(context, 1, kBytes));
  SLUICE_ASSIGN(const MatMulShape shape, matmul_shape(a->shape(), b->shape()));
  SLUICE_ASSIGN(const Product p, product_of(context, *a, 4, b->shape(), false));
  SLUICE_ASSIGN(const Tensor* a_scale, scale_of(context, 2, 1));
  return to_float(context, p, shape.out, a_scale->data<float>()[0], 3, 6);
}

Result<void> dynamic_quantize_matmul_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, op::input_tensor(context, 0, {DType::kFloat32}));
  SLUICE_ASSIGN(const Tensor* b, op::input_tensor(context, 1, kBytes));
  SLUICE_ASSIGN(const MatMulShape shape, matmul_shape(a->shape(), b->shape()));
  SLUICE_ASSIGN(Product p, product_of(context, *a, -1, b->shape(), false));
  p.a_signed = false;
  const int64_t n = a->elements();
  op::DynamicScale found;
  if (n > 0) {
    SLUICE_ASSIGN(simd::Range32* const pieces,
                  scratch<simd::Range32>(context, size(simd::range_pieces(n))));
    const simd::Range32 range = simd::range_of(a->data<float>(), n, pieces,
                                               [&](int64_t count, int64_t grain, simd::Range body) {
                                                 context.parallel_for(count, grain, body);
                                               });
    const std::array<double, 2> ends = {static_cast<double>(range.low),
                                        static_cast<double>(range.high)};
    found = range.low == range.low ? op::dynamic_scale(ends) : op::dynamic_scale(a->to_doubles());
  }
  SLUICE_ASSIGN(uint8_t* const bytes, scratch<uint8_t>(context, size(std::max<int64_t>(n, 1))));
  p.a = bytes;
  p.a_zero = static_cast<int32_t>(found.zero_point);
  context.parallel_for(n, 1 << 14, [&](int64_t begin, int64_t end) {
    simd::quantize(a->data<float>() + begin, found.scale, p.a_zero, bytes + begin, end - begin);
  });
  return to_float(context, p, shape.out, found.scale, 2, 4);
}

// The bytes' zero point and bounds.
Result<DType> set_zero(const KernelContext& context, int i, Ending& ending) {
  SLUICE_ASSIGN(const Tensor* zero, op::input_tensor(context, i, kBytes));
  if (zero->elements() != 1) {
    return unsupported(cat("The zero point of the result is ", zero->text(), " (one number)"));
  }
  ending.row.zero = byte_at(*zero, 0);
  ending.row.low = zero->dtype() == DType::kInt8 ? -128 : 0;
  ending.row.high = ending.row.low + 255;
  return zero->dtype();
}

Result<void> qlinear_matmul_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* b, op::input_tensor(context, 3, kBytes));
  SLUICE_ASSIGN(const MatMulShape shape, matmul_shape(a->shape(), b->shape()));
  SLUICE_ASSIGN(const Product p, product_of(context, *a, 2, b->shape(), false));
  SLUICE_ASSIGN(const Tensor* a_scale, scale_of(context, 1, 1));
  SLUICE_ASSIGN(const Tensor* b_scale, scale_of(context, 4, p.n));
  SLUICE_ASSIGN(const Tensor* y_scale, scale_of(context, 6, 1));
  Ending ending;
  SLUICE_ASSIGN(const DType dtype, set_zero(context, 7, ending));
  SLUICE_ASSIGN(Tensor * y, context.out(0, dtype, shape.out));
  if (y->elements() == 0) return {};
  SLUICE_ASSIGN(const std::span<float> factors,
                scaled(context, a_scale->data<float>()[0], *b_scale));
  for (float& factor : factors) factor /= y_scale->data<float>()[0];
  ending.row.factor = factors.data();
  ending.row.factor_step = factors.size() == 1 ? 0 : 1;
  ending.bytes = reinterpret_cast<uint8_t*>(y->mutable_bytes().data());
  return multiply(context, p, ending);
}

Result<void> qgemm_dot(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* a, op::input_tensor(context, 0, kBytes));
  SLUICE_ASSIGN(const Tensor* b, op::input_tensor(context, 3, kBytes));
  const bool transposed = context.attrs().int_or("transB", 0) != 0;
  SLUICE_ASSIGN(const GemmShape shape, gemm_shape(a->shape(), b->shape(), false, transposed));
  SLUICE_ASSIGN(const Product p, product_of(context, *a, 2, b->shape(), transposed));
  SLUICE_ASSIGN(const Tensor* a_scale, scale_of(context, 1, 1));
  SLUICE_ASSIGN(const Tensor* b_scale, scale_of(context, 4, p.n));
  Ending ending;
  if (context.has(6)) {
    SLUICE_ASSIGN(const Tensor* c, op::input_tensor(context, 6, {DType::kInt32}));
    if (c->elements() != p.n || c->dim(-1) != p.n || c->rank() > 2) {
      return unsupported(cat("QGemm's input C is ", c->text(), " (int32[", p.n, "] is needed)"));
    }
    ending.row.add = c->data<int32_t>();
  }
  SLUICE_ASSIGN(const std::span<float> factors,
                scaled(context, context.attrs().float_or("alpha", 1.0f) * a_scale->data<float>()[0],
                       *b_scale));
  ending.row.factor = factors.data();
  ending.row.factor_step = factors.size() == 1 ? 0 : 1;
  if (context.has(7)) {
    SLUICE_ASSIGN(const Tensor* y_scale, scale_of(context, 7, 1));
    for (float& factor : factors) factor /= y_scale->data<float>()[0];
  }
  DType dtype = DType::kFloat32;
  if (context.has(8)) {
    SLUICE_ASSIGN(dtype, set_zero(context, 8, ending));
  }
  SLUICE_ASSIGN(Tensor * y, context.out(0, dtype, Shape{shape.m, shape.n}));
  if (y->elements() == 0) return {};
  if (dtype == DType::kFloat32) {
    ending.floats = y->mutable_data<float>();
  } else {
    ending.bytes = reinterpret_cast<uint8_t*>(y->mutable_bytes().data());
  }
  return multiply(context, p, ending);
}

// --- packing, and which nodes these kernels take

// Inputs kB and kZero, which may be left out.
template <size_t kB, size_t kZero>
Result<Tensor> prepare(const AttrMap& attrs, std::span<const Value> inputs) {
  if (inputs.size() <= kB || !inputs[kB].is_tensor()) return Tensor();
  const bool zero = inputs.size() > kZero && inputs[kZero].is_tensor();
  return pack(inputs[kB].tensor(), zero ? &inputs[kZero].tensor() : nullptr,
              attrs.int_or("transB", 0) != 0);
}

// One number, known to be one.
bool is_single(const NodeView& node, int i) {
  if (!node.has_input(i)) return true;
  const auto shape = node.input_type(i).shape();
  return shape && shape->elements() == 1;
}

std::string refuse_b(const NodeView& node, int b_index, int zero_index) {
  const Tensor* b = node.constant(b_index);
  if (b == nullptr) return "B is not a constant";
  if (!kBytes.has(b->dtype()) || b->rank() != 2 || b->elements() == 0) {
    return cat("B is ", b->text(), " (takes a matrix of 8-bit integers)");
  }
  const Tensor* zero = node.has_input(zero_index) ? node.constant(zero_index) : nullptr;
  if (node.has_input(zero_index) && zero == nullptr) return "B's zero point is not a constant";
  if (!common_zero(*b, zero, node.attrs().int_or("transB", 0) != 0).possible) {
    return "the zero points of B's columns lie too far apart";
  }
  return {};
}

std::string refuse_a(const NodeView& node, int zero) {
  if (!kBytes.has(node.input_type(0).dtype)) {
    return cat("A is ", node.input_type(0).text(), " (takes 8-bit integers)");
  }
  if (!is_single(node, zero)) return "A's zero point is not known to be one number";
  if (node.has_input(zero) && node.input_type(zero).dtype != node.input_type(0).dtype) {
    return "A and its zero point differ in type";
  }
  return {};
}

// Scales: one number, or of B one a column.
std::string refuse_scales(const NodeView& node, std::initializer_list<int> single, int of_b) {
  for (const int i : single) {
    if (!node.has_input(i)) continue;
    if (node.input_type(i).dtype != DType::kFloat32) return cat("input ", i, " is not float32");
    if (!is_single(node, i)) return cat("input ", i, " is not known to be one number");
  }
  const Tensor* scales = node.constant(of_b);
  if (scales == nullptr || scales->dtype() != DType::kFloat32 || scales->rank() > 1) {
    return "B's scale is not a float32 constant of one axis";
  }
  return {};
}

std::string first_of(std::initializer_list<std::string> reasons) {
  for (const std::string& reason : reasons) {
    if (!reason.empty()) return reason;
  }
  return {};
}

std::string refuse_integer(const NodeView& node) {
  return first_of({refuse_a(node, 2), refuse_b(node, 1, 3)});
}
std::string refuse_to_float(const NodeView& node) {
  if (node.has_input(6) && node.input_type(6).dtype != DType::kFloat32)
    return "the bias is no float32";
  return first_of({refuse_a(node, 4), refuse_b(node, 1, 5), refuse_scales(node, {2}, 3)});
}
std::string refuse_dynamic(const NodeView& node) {
  if (node.input_type(0).dtype != DType::kFloat32) return "A is not float32";
  return first_of({refuse_b(node, 1, 3), refuse_scales(node, {}, 2)});
}
std::string refuse_qlinear(const NodeView& node) {
  if (!kBytes.has(node.input_type(7).dtype) || !is_single(node, 7)) {
    return "the result's zero point is not known to be one byte";
  }
  return first_of({refuse_a(node, 2), refuse_b(node, 3, 5), refuse_scales(node, {1, 6}, 4)});
}
std::string refuse_qgemm(const NodeView& node) {
  if (node.attrs().int_or("transA", 0) != 0) return "A is transposed";
  if (node.has_input(8) && (!kBytes.has(node.input_type(8).dtype) || !is_single(node, 8))) {
    return "the result's zero point is not known to be one byte";
  }
  if (node.has_input(6)) {
    const auto c = node.input_type(6).shape();
    const Tensor* b = node.constant(3);
    const int64_t n =
        b == nullptr || b->rank() != 2 ? -1 : b->dim(node.attrs().int_or("transB", 0) != 0 ? 0 : 1);
    if (!c || c->rank() < 1 || c->rank() > 2 || c->elements() != n || (*c)[-1] != n) {
      return "C is not known to be one number a column";
    }
  }
  return first_of({refuse_a(node, 2), refuse_b(node, 3, 5), refuse_scales(node, {1, 7}, 4)});
}

}  // namespace

const op::CpuCandidate kMatMulIntegerCpu[2] = {{.kernel = {.name = "matmul_integer.8bit.dot",
                                                           .run = matmul_integer_dot,
                                                           .prepare = prepare<1, 3>,
                                                           .prepared_input = 1},
                                                .refuse = refuse_integer},
                                               {.kernel = {.name = "matmul_integer.8bit.exact_f32",
                                                           .run = matmul_integer_8bit,
                                                           .prepare = prepare_matmul_integer,
                                                           .prepared_input = 1},
                                                .refuse = refuse_integer_exact}};
const op::CpuCandidate kMatMulIntegerToFloatCpu[1] = {
    {.kernel = {.name = "matmul_integer_to_float.8bit.dot",
                .run = matmul_integer_to_float_dot,
                .prepare = prepare<1, 5>,
                .prepared_input = 1},
     .refuse = refuse_to_float}};
const op::CpuCandidate kDynamicQuantizeMatMulCpu[1] = {
    {.kernel = {.name = "dynamic_quantize_matmul.8bit.dot",
                .run = dynamic_quantize_matmul_dot,
                .prepare = prepare<1, 3>,
                .prepared_input = 1},
     .refuse = refuse_dynamic}};
const op::CpuCandidate kQLinearMatMulCpu[1] = {{.kernel = {.name = "qlinear_matmul.8bit.dot",
                                                           .run = qlinear_matmul_dot,
                                                           .prepare = prepare<3, 5>,
                                                           .prepared_input = 3},
                                                .refuse = refuse_qlinear}};
const op::CpuCandidate kQGemmCpu[1] = {{.kernel = {.name = "qgemm.8bit.dot",
                                                   .run = qgemm_dot,
                                                   .prepare = prepare<3, 5>,
                                                   .prepared_input = 3},
                                        .refuse = refuse_qgemm}};

}  // namespace sluice::ops::matmul
