// Rounding of float32 values to the narrower floating-point types that devices hold widened in
// float32. Ties to even, one rounding.

// use math

// Kinds: 1 float16, 2 bfloat16, 3 float8e4m3fn, 4 float8e4m3fnuz, 5 float8e5m2, 6 float8e5m2fnuz,
// 7 float4e2m1; others leave v alone. Float8 out of range saturates, or becomes NaN or infinity.
fn small_float(v : f32, kind : u32, saturate : bool) -> f32 {
  if (kind == 0u || kind > 7u) { return v; }
  let bits = bitcast<u32>(v);
  let magnitude = bits & 0x7fffffffu;
  let sign = bits & 0x80000000u;
  if (magnitude > 0x7f800000u) {
    // float4 has no NaN: minus zero stands for it, as in ONNX's tests.
    if (kind == 7u) { return bitcast<f32>(0x80000000u | (sign & 0u)); }
    return v;
  }
  if (kind == 2u) {
    return bitcast<f32>((bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u);
  }
  var mantissa_bits = 10;
  var lowest = -14;  // exponent of the smallest normal number
  var top = 65504.0;
  if (kind == 3u) { mantissa_bits = 3; lowest = -6; top = 448.0; }
  if (kind == 4u) { mantissa_bits = 3; lowest = -7; top = 240.0; }
  if (kind == 5u) { mantissa_bits = 2; lowest = -14; top = 57344.0; }
  if (kind == 6u) { mantissa_bits = 2; lowest = -15; top = 57344.0; }
  if (kind == 7u) { mantissa_bits = 1; lowest = 0; top = 6.0; }
  var rounded = v;
  var over = magnitude == 0x7f800000u;
  if (!over) {
    // In units of the last place the rounding is that to whole numbers.
    let unit = max(i32(magnitude >> 23u) - 127, lowest) - mantissa_bits;
    let units = round(bitcast<f32>(magnitude) * bitcast<f32>(u32(127 - unit) << 23u));
    rounded = units * bitcast<f32>(u32(127 + unit) << 23u);
    over = rounded > top;
  }
  if (over) {
    let infinite = kind == 1u || (kind == 5u && !saturate);
    if (kind == 7u || (kind != 1u && saturate)) {
      rounded = top;
    } else if (infinite) {
      rounded = math_inf(v);
    } else {
      return math_nan(v);
    }
  }
  let out = bitcast<u32>(rounded) & 0x7fffffffu;
  if (out == 0u && (kind == 4u || kind == 6u)) { return 0.0; }  // no minus zero
  return bitcast<f32>(out | sign);
}

// The bits of the power of two (float8e8m0) next to |v|; rounding 0 up, 1 down, 2 nearest.
fn power_of_two_bits(v : f32, rounding : u32, saturate : bool) -> u32 {
  let magnitude = bitcast<u32>(v) & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0x7fc00000u; }
  if (magnitude == 0x7f800000u) { return select(0x7fc00000u, 0x7f000000u, saturate); }
  // The smallest power, 2^-127, is subnormal in float32; NaN stands for what is below it.
  if (magnitude < 0x00400000u && !saturate) { return 0x7fc00000u; }
  if (magnitude <= 0x00400000u) { return 0x00400000u; }
  var field = magnitude >> 23u;
  var fraction = magnitude & 0x7fffffu;
  if (field == 0u) { fraction = (fraction << 1u) & 0x7fffffu; }
  if (rounding == 0u && fraction != 0u) { field = field + 1u; }
  if (rounding == 2u && fraction >= 0x400000u) { field = field + 1u; }
  if (field > 254u) { return select(0x7fc00000u, 0x7f000000u, saturate); }
  return select(field << 23u, 0x00400000u, field == 0u);
}

// Conversions that drop bits to float32 so that rounding once more to a type at least two bits
// shorter gives what one rounding would have given: an inexact result has its last bit set.
fn u64_to_odd_f32(a : vec2<u32>) -> f32 {
  if (a.y == 0u && a.x < 0x1000000u) { return f32(a.x); }
  let zeros = u64_leading_zeros(a);
  let top = i64_shl(a, zeros);
  let sticky = (top.y & 0xffu) | top.x;
  let mantissa = (top.y >> 8u) | select(0u, 1u, sticky != 0u);
  return bitcast<f32>(((127u + 63u - zeros) << 23u) + (mantissa - 0x800000u));
}
