// Exact arithmetic on 64-bit integers held as vec2<u32>(low word, high word). i64_* take the sign
// into account, u64_* don't; what is the same for both is called i64_*. Everything wraps modulo
// 2^64, as C's unsigned arithmetic does.

fn i64_is_negative(a : vec2<u32>) -> bool { return (a.y & 0x80000000u) != 0u; }
fn i64_is_zero(a : vec2<u32>) -> bool { return (a.x | a.y) == 0u; }
fn i64_equal(a : vec2<u32>, b : vec2<u32>) -> bool { return a.x == b.x && a.y == b.y; }

fn i64_from_i32(v : i32) -> vec2<u32> { return vec2<u32>(bitcast<u32>(v), bitcast<u32>(v >> 31u)); }
fn i64_from_u32(v : u32) -> vec2<u32> { return vec2<u32>(v, 0u); }
// The low word, as C narrows.
fn i64_to_i32(a : vec2<u32>) -> i32 { return bitcast<i32>(a.x); }
// Whether the value is one of int32.
fn i64_fits_i32(a : vec2<u32>) -> bool { return a.y == bitcast<u32>(bitcast<i32>(a.x) >> 31u); }
// The nearest int32.
fn i64_saturated_i32(a : vec2<u32>) -> i32 {
  if (i64_fits_i32(a)) { return bitcast<i32>(a.x); }
  return select(0x7fffffff, -0x7fffffff - 1, i64_is_negative(a));
}

fn i64_add(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}
fn i64_sub(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}
fn i64_neg(a : vec2<u32>) -> vec2<u32> {
  return vec2<u32>(~a.x + 1u, ~a.y + select(0u, 1u, a.x == 0u));
}
fn i64_abs(a : vec2<u32>) -> vec2<u32> { return select(a, i64_neg(a), i64_is_negative(a)); }

// The whole product of two words.
fn u64_product(a : u32, b : u32) -> vec2<u32> {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let middle = a1 * b0 + (low >> 16u);  // at most 0xfffe0001 + 0xfffe
  let other = a0 * b1 + (middle & 0xffffu);
  return vec2<u32>((other << 16u) | (low & 0xffffu), a1 * b1 + (middle >> 16u) + (other >> 16u));
}
fn i64_mul(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  let low = u64_product(a.x, b.x);
  return vec2<u32>(low.x, low.y + a.x * b.y + a.y * b.x);
}

fn u64_less(a : vec2<u32>, b : vec2<u32>) -> bool {
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}
fn i64_less(a : vec2<u32>, b : vec2<u32>) -> bool {
  let ah = bitcast<i32>(a.y);
  let bh = bitcast<i32>(b.y);
  return ah < bh || (ah == bh && a.x < b.x);
}
fn i64_min(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> { return select(a, b, i64_less(b, a)); }
fn i64_max(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> { return select(a, b, i64_less(a, b)); }
fn u64_min(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> { return select(a, b, u64_less(b, a)); }
fn u64_max(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> { return select(a, b, u64_less(a, b)); }

// Shifts by any count; 64 and more shift everything out.
fn i64_shl(a : vec2<u32>, n : u32) -> vec2<u32> {
  if (n >= 64u) { return vec2<u32>(0u, 0u); }
  if (n >= 32u) { return vec2<u32>(0u, a.x << (n - 32u)); }
  if (n == 0u) { return a; }
  return vec2<u32>(a.x << n, (a.y << n) | (a.x >> (32u - n)));
}
fn u64_shr(a : vec2<u32>, n : u32) -> vec2<u32> {
  if (n >= 64u) { return vec2<u32>(0u, 0u); }
  if (n >= 32u) { return vec2<u32>(a.y >> (n - 32u), 0u); }
  if (n == 0u) { return a; }
  return vec2<u32>((a.x >> n) | (a.y << (32u - n)), a.y >> n);
}
fn u64_leading_zeros(a : vec2<u32>) -> u32 {
  return select(countLeadingZeros(a.y), 32u + countLeadingZeros(a.x), a.y == 0u);
}

// Quotient and remainder; a divisor of 0 gives the quotient 0 and the dividend as remainder.
struct U64Division {
  quotient : vec2<u32>,
  rest : vec2<u32>,
}
fn u64_divide(a : vec2<u32>, b : vec2<u32>) -> U64Division {
  if ((a.y | b.y) == 0u && b.x != 0u) {
    let q = a.x / b.x;
    return U64Division(vec2<u32>(q, 0u), vec2<u32>(a.x - q * b.x, 0u));
  }
  var quotient = vec2<u32>(0u, 0u);
  var rest = a;
  if (!i64_is_zero(b) && !u64_less(a, b)) {
    // Long division from the first bit at which the divisor can fit.
    var bit = u64_leading_zeros(b) - u64_leading_zeros(a);
    var divisor = i64_shl(b, bit);
    loop {
      if (!u64_less(rest, divisor)) {
        rest = i64_sub(rest, divisor);
        quotient = select(vec2<u32>(quotient.x | (1u << (bit & 31u)), quotient.y),
                          vec2<u32>(quotient.x, quotient.y | (1u << (bit & 31u))), bit >= 32u);
      }
      if (bit == 0u) { break; }
      bit = bit - 1u;
      divisor = u64_shr(divisor, 1u);
    }
  }
  return U64Division(quotient, rest);
}
// Rounds towards zero; the remainder has the dividend's sign.
fn i64_div(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  let q = u64_divide(i64_abs(a), i64_abs(b)).quotient;
  return select(q, i64_neg(q), i64_is_negative(a) != i64_is_negative(b));
}
fn i64_rem(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  let r = u64_divide(i64_abs(a), i64_abs(b)).rest;
  return select(r, i64_neg(r), i64_is_negative(a));
}

// base^exponent by squaring.
fn i64_pow(base : vec2<u32>, exponent : vec2<u32>) -> vec2<u32> {
  var result = vec2<u32>(1u, 0u);
  var square = base;
  var left = exponent;
  loop {
    if (i64_is_zero(left)) { break; }
    if ((left.x & 1u) != 0u) { result = i64_mul(result, square); }
    square = i64_mul(square, square);
    left = u64_shr(left, 1u);
  }
  return result;
}

// The nearest float32, ties to even, with one rounding.
fn u64_to_f32(a : vec2<u32>) -> f32 {
  if (a.y == 0u && a.x < 0x1000000u) { return f32(a.x); }
  let zeros = u64_leading_zeros(a);
  let top = i64_shl(a, zeros);  // the leading one in bit 63; 24 bits are kept
  let half = (top.y >> 7u) & 1u;
  let sticky = (top.y & 0x7fu) | top.x;
  var mantissa = top.y >> 8u;
  if (half != 0u && (sticky != 0u || (mantissa & 1u) != 0u)) { mantissa = mantissa + 1u; }
  // A mantissa that rounded up to 2^24 carries into the exponent by itself.
  return bitcast<f32>(((127u + 63u - zeros) << 23u) + (mantissa - 0x800000u));
}
fn i64_to_f32(a : vec2<u32>) -> f32 {
  let magnitude = u64_to_f32(i64_abs(a));
  return select(magnitude, -magnitude, i64_is_negative(a));
}

// Truncates towards zero. Below int64's range the result is its lowest value; from 2^63 on the bits
// of the uint64, from 2^64 on int64's highest value; NaN gives 0.
fn i64_from_f32(v : f32) -> vec2<u32> {
  let bits = bitcast<u32>(v);
  let exponent = (bits >> 23u) & 0xffu;
  let negative = (bits & 0x80000000u) != 0u;
  if ((bits & 0x7fffffffu) > 0x7f800000u || exponent < 127u) { return vec2<u32>(0u, 0u); }
  let power = exponent - 127u;
  if (negative && power >= 63u) { return vec2<u32>(0u, 0x80000000u); }
  if (power >= 64u) { return vec2<u32>(0xffffffffu, 0x7fffffffu); }
  let mantissa = vec2<u32>((bits & 0x7fffffu) | 0x800000u, 0u);
  var magnitude = mantissa;
  if (power >= 23u) {
    magnitude = i64_shl(mantissa, power - 23u);
  } else {
    magnitude = u64_shr(mantissa, 23u - power);
  }
  return select(magnitude, i64_neg(magnitude), negative);
}

// An index operand (perhaps negative, counted from the end) as a position below `extent`, or
// 0xffffffff when it is outside.
fn i64_index(a : vec2<u32>, extent : u32) -> u32 {
  if (!i64_fits_i32(a)) { return 0xffffffffu; }
  let index = bitcast<i32>(a.x);
  let at = select(index, index + i32(extent), index < 0);
  return select(0xffffffffu, u32(at), at >= 0 && u32(at) < extent);
}
