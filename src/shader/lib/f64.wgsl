// Conversions of float64 values held as two words (low word first) by their bits; WGSL has no such
// type. Arithmetic on float64 is not done on devices.

// use i64

fn f64_is_nan(v : vec2<u32>) -> bool {
  let high = v.y & 0x7fffffffu;
  return high > 0x7ff00000u || (high == 0x7ff00000u && v.x != 0u);
}

// The nearest float32 (ties to even), or with `odd` the next one towards zero with its last bit set
// when it is inexact.
fn f64_to_f32(v : vec2<u32>, odd : bool) -> f32 {
  let sign = v.y & 0x80000000u;
  let high = v.y & 0x7fffffffu;
  if (f64_is_nan(v)) { return bitcast<f32>(sign | 0x7fc00000u); }
  let exponent = i32(high >> 20u) - 1023;
  if (exponent >= 128) {
    let finite = odd && exponent < 1024;
    return bitcast<f32>(sign | select(0x7f800000u, 0x7f7fffffu, finite));
  }
  if (exponent < -151) {
    let tiny = odd && (high | v.x) != 0u;
    return bitcast<f32>(sign | select(0u, 1u, tiny));
  }
  // 53 bits, of which 24 stay, or fewer where float32 is subnormal.
  let whole = vec2<u32>(v.x, (high & 0xfffffu) | 0x100000u);
  let drop = 29u + u32(max(-126 - exponent, 0));
  let kept = u64_shr(whole, drop).x;
  let lost = i64_shl(whole, 64u - drop);
  let inexact = !i64_is_zero(lost);
  var bits = kept;
  if (odd) {
    bits = kept | select(0u, 1u, inexact);
  } else {
    let half = (lost.y & 0x80000000u) != 0u;
    let above = (lost.y & 0x7fffffffu) != 0u || lost.x != 0u;
    if (half && (above || (kept & 1u) != 0u)) { bits = bits + 1u; }
  }
  // The leading one adds to the exponent field.
  if (exponent >= -126) { bits = bits + (u32(exponent + 126) << 23u); }
  return bitcast<f32>(sign | bits);
}

fn f64_from_f32(v : f32) -> vec2<u32> {
  let bits = bitcast<u32>(v);
  let sign = bits & 0x80000000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude == 0u) { return vec2<u32>(0u, sign); }
  if (magnitude >= 0x7f800000u) {
    return vec2<u32>((magnitude & 7u) << 29u, sign | 0x7ff00000u | ((magnitude & 0x7fffffu) >> 3u));
  }
  var field = magnitude >> 23u;
  var fraction = magnitude & 0x7fffffu;
  var exponent = i32(field) - 127;
  if (field == 0u) {
    let shift = countLeadingZeros(fraction) - 8u;
    fraction = (fraction << shift) & 0x7fffffu;
    exponent = -126 - i32(shift);
  }
  return vec2<u32>((fraction & 7u) << 29u, sign | (u32(exponent + 1023) << 20u) | (fraction >> 3u));
}

// The nearest float64, ties to even.
fn f64_from_u64(a : vec2<u32>) -> vec2<u32> {
  if (i64_is_zero(a)) { return a; }
  let zeros = u64_leading_zeros(a);
  let top = i64_shl(a, zeros);
  var kept = u64_shr(top, 11u);
  let lost = top.x & 0x7ffu;
  if (lost > 0x400u || (lost == 0x400u && (kept.x & 1u) != 0u)) {
    kept = i64_add(kept, vec2<u32>(1u, 0u));
  }
  // The leading one adds to the exponent field.
  return i64_add(kept, vec2<u32>(0u, (1022u + 63u - zeros) << 20u));
}
fn f64_from_i64(a : vec2<u32>) -> vec2<u32> {
  let v = f64_from_u64(i64_abs(a));
  return vec2<u32>(v.x, v.y | (a.y & 0x80000000u));
}

// Truncates towards zero, with the bounds of i64_from_f32.
fn f64_to_i64(v : vec2<u32>) -> vec2<u32> {
  let negative = (v.y & 0x80000000u) != 0u;
  let exponent = i32((v.y >> 20u) & 0x7ffu) - 1023;
  if (f64_is_nan(v) || exponent < 0) { return vec2<u32>(0u, 0u); }
  if (negative && exponent >= 63) { return vec2<u32>(0u, 0x80000000u); }
  if (exponent >= 64) { return vec2<u32>(0xffffffffu, 0x7fffffffu); }
  let whole = vec2<u32>(v.x, (v.y & 0xfffffu) | 0x100000u);
  var magnitude = i64_shl(whole, u32(max(exponent - 52, 0)));
  if (exponent < 52) { magnitude = u64_shr(whole, u32(52 - exponent)); }
  return select(magnitude, i64_neg(magnitude), negative);
}
