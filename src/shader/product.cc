#include "shader/product.h"

#include <algorithm>
#include <array>

#include "shader/lib/matrices.h"
#include "shader/matmul_dot4.h"
#include "shader/matmul_rows.h"
#include "shader/matmul_tiled.h"

namespace sluice::shader {

namespace {

using plan::DeviceFormat;

std::array<Dim, 4> four(const Dims& dims, const Dim& fill) {
  std::array<Dim, 4> out;
  out.fill(fill);
  for (size_t i = 0; i < dims.size() && i < 4; ++i) out[4 - dims.size() + i] = dims[i];
  return out;
}

Dim count(const Dims& dims) { return product(dims, 0, dims.size()); }

matrices::Params params_of(const Product& what, const Dim& tiles_m, const Dim& tiles_n) {
  return {.batch = four(what.batch, 1),
          .a_step = four(what.a_step, 0),
          .b_step = four(what.b_step, 0),
          .c_step = four(what.c_step, 0),
          .y_step = four(what.y_step, 0),
          .batches = count(what.batch),
          .m = what.m,
          .n = what.n,
          .k = what.k,
          .a_ld = what.a_ld,
          .b_ld = what.b_ld,
          .y_ld = what.y_ld,
          .c_m = what.c_m,
          .c_n = what.c_n,
          .a_offset = what.a_offset,
          .b_offset = what.b_offset,
          .c_offset = what.c_offset,
          .y_offset = what.y_offset,
          .tiles_m = tiles_m,
          .tiles_n = tiles_n,
          .a_zero_step = what.a_zero_per_row ? 1 : 0,
          .b_zero_step = what.b_zero_per_column ? 1 : 0,
          .block = what.block,
          .blocks = what.blocks,
          .alpha = what.alpha,
          .beta = what.beta,
          .act_alpha = what.act_alpha,
          .act_beta = what.act_beta};
}

bool is_integer_format(DeviceFormat format) {
  return format == DeviceFormat::kI32 || format == DeviceFormat::kU32;
}

// The type of a buffer read four elements at a time, or of one.
std::string_view buffer_type(DeviceFormat format, bool quads) {
  if (!quads) return plan::wgsl_type(format);
  switch (format) {
    case DeviceFormat::kF16:
      return "vec4<f16>";
    case DeviceFormat::kI32:
      return "vec4<i32>";
    case DeviceFormat::kU32:
      return "vec4<u32>";
    default:
      return "vec4<f32>";
  }
}

// Whether an operand can be read four elements at a time along the extent that lies in a row.
bool in_quads(const Dim& extent, const Dim& ld, const Dim& offset, const Dims& step) {
  return is_multiple_of_4(extent) && is_multiple_of_4(ld) && is_multiple_of_4(offset) &&
         std::ranges::all_of(step, is_multiple_of_4);
}

bool is_value(const Dim& dim, int64_t value) { return dim.is_known() && dim.value() == value; }

// A single column is a single row of the transposed product, which reads A as it lies.
Product as_row(const Product& column) {
  Product row = column;
  row.m = column.n;
  row.n = column.m;
  row.a = column.b;
  row.a_t = false;
  row.a_ld = column.k;
  row.a_offset = column.b_offset;
  row.a_step = column.b_step;
  row.a_format = column.b_format;
  row.b = column.a;
  row.b_t = true;
  row.b_ld = column.a_ld;
  row.b_offset = column.a_offset;
  row.b_step = column.a_step;
  row.b_format = column.a_format;
  row.y_ld = column.m;
  row.c_m = column.c_n;
  row.c_n = column.c_m;
  return row;
}

plan::DispatchRequest few_rows(const Product& what) {
  const bool along_k = what.b_t || what.bits != 0;
  const bool quads =
      what.bits == 0 && what.b_t && in_quads(what.k, what.b_ld, what.b_offset, what.b_step);
  const Dim tiles = Dim::ceil_div(what.n, along_k ? 8 : 32);
  const DeviceFormat b_format = what.bits != 0 ? DeviceFormat::kU32 : what.b_format;
  return matmul_rows::Call{.knobs = {.ACT = what.activation,
                                     .AE = plan::wgsl_type(what.a_format),
                                     .BE = plan::wgsl_type(b_format),
                                     .BV = buffer_type(b_format, quads),
                                     .CE = plan::wgsl_type(what.c_format),
                                     .YE = plan::wgsl_type(what.y_format),
                                     .SB = plan::wgsl_type(what.b_scale_format),
                                     .ROWS = is_value(what.m, 1) ? 1U : 4U,
                                     .B_T = what.b_t,
                                     .B_VEC = quads,
                                     .HAS_C = what.c.slot != plan::kNoSlot,
                                     .B_ZERO = what.bits != 0 && what.b_zero.slot != plan::kNoSlot,
                                     .NBITS = what.bits},
                           .params = params_of(what, 1, tiles),
                           .a = what.a,
                           .b = what.b,
                           .c = what.c,
                           .b_zero = what.bits != 0 ? what.b_zero : plan::SlotRange(),
                           .b_scale = what.b_scale,
                           .y = what.y,
                           .workgroups = tiles * count(what.batch)}
      .request();
}

struct Tile {
  uint32_t tx, r, k;
  int64_t side() const { return static_cast<int64_t>(tx) * r; }
};
constexpr Tile kSmall{8, 4, 8}, kMiddle{16, 4, 16}, kLarge{16, 8, 8};

// The largest tile that still gives a large device work for every core.
Tile tile_for(const Product& what) {
  constexpr double kEnoughWorkgroups = 96;
  const auto batches = count(what.batch).get();
  const auto m = what.m.get(), n = what.n.get();
  if ((m && *m <= 32) || (n && *n <= 32)) return kSmall;
  if (!m || !n || !batches) return kMiddle;
  const auto workgroups = [&](const Tile& tile) {
    return static_cast<double>((*m + tile.side() - 1) / tile.side()) *
           static_cast<double>((*n + tile.side() - 1) / tile.side()) *
           static_cast<double>(*batches);
  };
  if (*m > 64 && *n > 64 && workgroups(kLarge) >= kEnoughWorkgroups) return kLarge;
  return workgroups(kMiddle) >= kEnoughWorkgroups ? kMiddle : kSmall;
}

}  // namespace

bool is_multiple_of_4(const Dim& dim) {
  if (dim.is_known()) return dim.value() % 4 == 0;
  if (dim.is_unknown()) return false;
  const Dim quarter = Dim::floor_div(dim, 4);
  return quarter * Dim(4) == dim;
}

plan::DispatchRequest product(const Product& what) {
  const bool integers = is_integer_format(what.a_format) && is_integer_format(what.y_format);
  if (!integers && what.m.is_known() && what.m.value() <= 4 && !what.a_t) return few_rows(what);
  if (!integers && what.bits == 0 && is_value(what.n, 1) && is_value(what.y_ld, 1) && !what.a_t &&
      (what.b_t || is_value(what.b_ld, 1))) {
    return few_rows(as_row(what));
  }
  const bool a_quads = what.a_t && in_quads(what.m, what.a_ld, what.a_offset, what.a_step);
  const bool b_quads =
      what.bits == 0 && !what.b_t && in_quads(what.n, what.b_ld, what.b_offset, what.b_step);
  const bool scaled =
      !integers && (what.alpha != 1 || what.c.slot != plan::kNoSlot || what.activation != 0);
  const Tile tile = tile_for(what);
  const Dim tiles_m = Dim::ceil_div(what.m, tile.side());
  const Dim tiles_n = Dim::ceil_div(what.n, tile.side());
  const DeviceFormat b_format = what.bits != 0 ? DeviceFormat::kU32 : what.b_format;
  return matmul_tiled::Call{
      .knobs = {.ACT = what.activation,
                .AE = plan::wgsl_type(what.a_format),
                .AV = buffer_type(what.a_format, a_quads),
                .BE = plan::wgsl_type(b_format),
                .BV = buffer_type(b_format, b_quads),
                .CE = plan::wgsl_type(what.c_format),
                .YE = plan::wgsl_type(what.y_format),
                .ZA = plan::wgsl_type(what.a_zero_format),
                .ZB = what.bits != 0 ? "f32" : plan::wgsl_type(what.b_zero_format),
                .SB = plan::wgsl_type(what.b_scale_format),
                .ACC = integers ? "i32" : "f32",
                .TX = tile.tx,
                .R = tile.r,
                .TILE_K = tile.k,
                .A_T = what.a_t,
                .B_T = what.b_t,
                .A_VEC = a_quads,
                .B_VEC = b_quads,
                .HAS_C = scaled && what.c.slot != plan::kNoSlot,
                .SCALED = scaled,
                .A_ZERO = integers && what.a_zero.slot != plan::kNoSlot,
                .B_ZERO = (integers || what.bits != 0) && what.b_zero.slot != plan::kNoSlot,
                .NBITS = what.bits},
      .params = params_of(what, tiles_m, tiles_n),
      .a = what.a,
      .b = what.b,
      .c = what.c,
      .a_zero = what.a_zero,
      .b_zero = what.b_zero,
      .b_scale = what.b_scale,
      .y = what.y,
      .workgroups = tiles_m * tiles_n * count(what.batch)}
      .request();
}

plan::DispatchRequest product_of_bytes(const Product& what, bool a_unsigned, bool b_unsigned) {
  constexpr int64_t kTile = 64;
  const Dim tiles_m = Dim::ceil_div(what.m, kTile), tiles_n = Dim::ceil_div(what.n, kTile);
  return matmul_dot4::Call{.knobs = {.AE = plan::wgsl_type(what.a_format),
                                     .BE = plan::wgsl_type(what.b_format),
                                     .ZA = plan::wgsl_type(what.a_zero_format),
                                     .ZB = plan::wgsl_type(what.b_zero_format),
                                     .A_T = what.a_t,
                                     .B_T = what.b_t,
                                     .A_ZERO = what.a_zero.slot != plan::kNoSlot,
                                     .B_ZERO = what.b_zero.slot != plan::kNoSlot,
                                     .A_SHIFT = a_unsigned ? 128 : 0,
                                     .B_SHIFT = b_unsigned ? 128 : 0},
                           .params = params_of(what, tiles_m, tiles_n),
                           .a = what.a,
                           .b = what.b,
                           .a_zero = what.a_zero,
                           .b_zero = what.b_zero,
                           .y = what.y,
                           .workgroups = tiles_m * tiles_n * count(what.batch)}
      .request();
}

}  // namespace sluice::shader
