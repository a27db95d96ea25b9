// Product: a (batched, strided) matrix product on the device, as one dispatch. What the operators
// MatMul, Gemm, Attention, LSTM ... have in common: each says where its operands lie, and this
// picks the shader and the tile for the extents. Strides and extents are in elements.
#pragma once

#include "plan/dispatch.h"

namespace sluice::shader {

struct Product {
  // y[m,n] = act(alpha * op(a)[m,k] * op(b)[k,n] + beta * c)
  Dim m, n, k;
  bool a_t = false, b_t = false;  // a is [k,m]; b is [n,k]
  Dim a_ld, b_ld, y_ld;           // from one stored row to the next; rows are contiguous
  Dims batch;                     // at most 4 axes; the steps have the same length
  Dims a_step, b_step, c_step, y_step;
  Dim a_offset = 0, b_offset = 0, c_offset = 0, y_offset = 0;

  plan::SlotRange a, b, y;
  plan::SlotRange c;  // optional bias, at row * c_m + column * c_n; floating results only
  Dim c_m = 0, c_n = 0;
  // Floating operands may mix f32 and f16; integers are i32 or u32 (narrow types) with y the same.
  plan::DeviceFormat a_format = plan::DeviceFormat::kF32, b_format = plan::DeviceFormat::kF32,
                     c_format = plan::DeviceFormat::kF32, y_format = plan::DeviceFormat::kF32;
  float alpha = 1, beta = 1;
  uint32_t activation = 0;  // op::Activation::Kind
  float act_alpha = 0, act_beta = 0;

  // Integers: zero points, one or one per row of a (column of b).
  plan::SlotRange a_zero, b_zero;
  plan::DeviceFormat a_zero_format = plan::DeviceFormat::kI32,
                     b_zero_format = plan::DeviceFormat::kI32;
  bool a_zero_per_row = false, b_zero_per_column = false;

  // bits != 0: b is [n,k] of packed weights of 2, 4 or 8 bits, b_ld words of 32 bits per row, read
  // as (code - zero) * scale of their block; b_zero (float32, one per block) is optional: half
  // range.
  uint32_t bits = 0;
  int64_t block = 1, blocks = 1;
  plan::SlotRange b_scale;
  plan::DeviceFormat b_scale_format = plan::DeviceFormat::kF32;
};

plan::DispatchRequest product(const Product& what);

// The exact product of 8-bit integers, four products at a time, where the device has
// Features::packed_dot. y is int32; neither scales, bias nor packed weights.
plan::DispatchRequest product_of_bytes(const Product& what, bool a_unsigned, bool b_unsigned);

// Whether the extent is divisible by 4 whatever its symbols are.
bool is_multiple_of_4(const Dim& dim);

}  // namespace sluice::shader
