// Elementary functions in float32, good to a few units in the last place. WGSL's own sin, cos, tan,
// log and the hyperbolic functions only promise absolute errors (2^-11 for sin), and its exp loses
// precision with the argument. NaN goes in and out as bits, since WGSL may assume that there is
// none; no result is NaN where the function is finite.

// use i64

fn math_is_nan(v : f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
fn math_is_inf(v : f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) == 0x7f800000u; }
// Constants that a shader can't spell: `v` only keeps the compiler from evaluating the bits.
fn math_nan(v : f32) -> f32 { return bitcast<f32>((bitcast<u32>(v) & 0u) | 0x7fc00000u); }
fn math_inf(v : f32) -> f32 { return bitcast<f32>((bitcast<u32>(v) & 0u) | 0x7f800000u); }
// |v| with the sign of s.
fn math_with_sign(v : f32, s : f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(v) & 0x7fffffffu) | (bitcast<u32>(s) & 0x80000000u));
}

// v * 2^k, |k| <= 250.
fn math_scale(v : f32, k : i32) -> f32 {
  let half = k >> 1u;
  let rest = k - half;
  return v * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(rest + 127) << 23u);
}

// exp(r) for |r| <= 0.35 by its series.
fn math_exp_series(r : f32) -> f32 {
  return 1.0 + r * (1.0 + r * (0.5 + r * (0.166666667 + r * (0.0416666667 + r * (0.00833333333 +
         r * (0.00138888889 + r * 0.000198412698))))));
}
fn math_exp(x : f32) -> f32 {
  let c = clamp(x, -110.0, 90.0);
  let k = floor(c * 1.44269504 + 0.5);
  // ln 2 in two parts; the product with the first is exact.
  let r = (c - k * 0.693359375) + k * 2.12194440e-4;
  if (x > 88.722839) { return math_inf(x); }
  return math_scale(math_exp_series(r), i32(k));
}
// exp(x) - 1
fn math_expm1(x : f32) -> f32 {
  if (abs(x) < 0.35) {
    return x * (1.0 + x * (0.5 + x * (0.166666667 + x * (0.0416666667 + x * (0.00833333333 +
           x * (0.00138888889 + x * (0.000198412698 + x * 2.48015873e-5)))))));
  }
  return math_exp(x) - 1.0;
}

// 2 atanh(s) for |s| <= 0.18.
fn math_two_atanh(s : f32) -> f32 {
  let z = s * s;
  return 2.0 * s + 2.0 * s * z * (0.333333333 + z * (0.2 + z * (0.142857143 + z * 0.111111111)));
}
// A positive finite v = m * 2^e with m in [sqrt(1/2), sqrt(2)).
struct MathParts {
  m : f32,
  e : f32,
}
fn math_parts(v : f32) -> MathParts {
  var bits = bitcast<u32>(v);
  var e = -127;
  if (bits < 0x00800000u) {  // subnormal: devices flush it when they compute with it
    bits = bitcast<u32>(f32(bits));
    e = -127 - 149;
  }
  e = e + i32(bits >> 23u);
  var fraction = bits & 0x7fffffu;
  var field = 127u;
  if (fraction >= 0x3504f3u) {
    field = 126u;
    e = e + 1;
  }
  return MathParts(bitcast<f32>(fraction | (field << 23u)), f32(e));
}
fn math_log(x : f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) == 0u) { return -math_inf(x); }
  if (bits > 0x7f800000u) { return math_nan(x); }
  if (bits == 0x7f800000u) { return x; }
  let parts = math_parts(x);
  let f = parts.m - 1.0;
  return (math_two_atanh(f / (2.0 + f)) - parts.e * 2.12194440e-4) + parts.e * 0.693359375;
}
// log(1 + x)
fn math_log1p(x : f32) -> f32 {
  if (x > -0.29 && x < 0.41) { return math_two_atanh(x / (2.0 + x)); }
  return math_log(1.0 + x);
}

// x = quadrant * pi/2 + r with |r| <= pi/4; the quadrant modulo 4.
struct MathAngle {
  r : f32,
  quadrant : u32,
}
// 2/pi in binary, behind 32 bits of zeros.
fn math_two_over_pi(i : u32) -> u32 {
  var words = array<u32, 10>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u,
                             0x3c439041u, 0xfe5163abu, 0xdebbc561u, 0u);
  return words[min(i, 9u)];
}
fn math_word_at(word : u32, shift : u32) -> u32 {
  if (shift == 0u) { return math_two_over_pi(word); }
  return (math_two_over_pi(word) << shift) | (math_two_over_pi(word + 1u) >> (32u - shift));
}
fn math_reduce(x : f32) -> MathAngle {
  if (abs(x) < 8192.0) {
    // pi/2 in three parts, of which the first two leave room for exact products.
    let k = round(x * 0.636619772);
    let r = ((x - k * 1.5703125) - k * 4.837512969970703e-4) - k * 7.549789948768648e-8;
    return MathAngle(r, bitcast<u32>(i32(k)) & 3u);
  }
  // |x| = mantissa * 2^e. Of mantissa * 2/pi only the 96 bits below the weight 4 count; those of
  // 2/pi that can reach them start at bit e - 1 behind the binary point.
  let bits = bitcast<u32>(x);
  let mantissa = (bits & 0x7fffffu) | 0x800000u;
  let e = i32((bits >> 23u) & 0xffu) - 150;
  let start = u32(clamp(e - 2 + 32, 0, 192));
  let word = start >> 5u;
  let shift = start & 31u;
  let low = u64_product(mantissa, math_word_at(word + 2u, shift));
  let middle = i64_add(u64_product(mantissa, math_word_at(word + 1u, shift)), vec2<u32>(low.y, 0u));
  let high = mantissa * math_word_at(word, shift) + middle.y;
  var quadrant = high >> 30u;
  // The fraction as 64 bits.
  var fraction = vec2<u32>((middle.x << 2u) | (low.x >> 30u), (high << 2u) | (middle.x >> 30u));
  let above = (fraction.y & 0x80000000u) != 0u;
  if (above) {
    quadrant = quadrant + 1u;
    fraction = i64_neg(fraction);
  }
  var r = u64_to_f32(fraction) * 5.42101086e-20 * 1.57079633;  // 2^-64
  if (above) { r = -r; }
  if ((bits & 0x80000000u) != 0u) {
    r = -r;
    quadrant = 4u - (quadrant & 3u);
  }
  return MathAngle(r, quadrant & 3u);
}
fn math_sin_series(r : f32) -> f32 {
  let z = r * r;
  return r + r * z * (-0.166666667 + z * (0.00833333333 + z * (-0.000198412698 + z * 2.75573192e-6)));
}
fn math_cos_series(r : f32) -> f32 {
  let z = r * r;
  return 1.0 + z * (-0.5 + z * (0.0416666667 + z * (-0.00138888889 + z * (2.48015873e-5 -
         z * 2.75573192e-7))));
}
fn math_sin(x : f32) -> f32 {
  if (math_is_inf(x)) { return math_nan(x); }
  let a = math_reduce(x);
  var v = math_sin_series(a.r);
  if ((a.quadrant & 1u) != 0u) { v = math_cos_series(a.r); }
  return select(v, -v, a.quadrant >= 2u);
}
fn math_cos(x : f32) -> f32 {
  if (math_is_inf(x)) { return math_nan(x); }
  let a = math_reduce(x);
  var v = math_cos_series(a.r);
  if ((a.quadrant & 1u) != 0u) { v = math_sin_series(a.r); }
  return select(v, -v, a.quadrant == 1u || a.quadrant == 2u);
}
fn math_tan(x : f32) -> f32 {
  if (math_is_inf(x)) { return math_nan(x); }
  let a = math_reduce(x);
  let s = math_sin_series(a.r);
  let c = math_cos_series(a.r);
  if ((a.quadrant & 1u) != 0u) { return -c / s; }
  return s / c;
}

// asin(v) for 0 <= v <= 1/2.
fn math_asin_near(v : f32) -> f32 {
  let z = v * v;
  return v + v * z * (0.16666787 + z * (0.0749453427 + z * (0.0455390097 + z * (0.0239093636 +
         z * 0.0425535991))));
}
fn math_asin(x : f32) -> f32 {
  let a = abs(x);
  if (a > 1.0) { return math_nan(x); }
  if (a <= 0.5) { return math_with_sign(math_asin_near(a), x); }
  return math_with_sign(1.57079633 - 2.0 * math_asin_near(sqrt((1.0 - a) * 0.5)), x);
}
fn math_acos(x : f32) -> f32 {
  let a = abs(x);
  if (a > 1.0) { return math_nan(x); }
  if (a <= 0.5) { return 1.57079633 - math_with_sign(math_asin_near(a), x); }
  let v = 2.0 * math_asin_near(sqrt((1.0 - a) * 0.5));
  return select(v, 3.14159265 - v, x < 0.0);
}
fn math_atan(x : f32) -> f32 {
  let a = abs(x);
  var v = a;
  var base = 0.0;
  if (a > 2.41421356) {
    v = -1.0 / a;
    base = 1.57079633;
  } else if (a > 0.414213562) {
    v = (a - 1.0) / (a + 1.0);
    base = 0.785398163;
  }
  let z = v * v;
  let series = v + v * z * (-0.333333075 + z * (0.199982098 + z * (-0.142399639 +
               z * (0.105726721 - z * 0.0603287299))));
  return math_with_sign(base + series, x);
}

fn math_sinh(x : f32) -> f32 {
  let a = abs(x);
  if (a < 1.0) {
    let z = x * x;
    return x + x * z * (0.166666667 + z * (0.00833333333 + z * (0.000198412698 + z * 2.75573192e-6)));
  }
  // e^(a/2) twice, so that nothing overflows before the result does.
  let h = math_exp(a * 0.5);
  return math_with_sign(0.5 * h * h - 0.5 / h / h, x);
}
fn math_cosh(x : f32) -> f32 {
  let h = math_exp(abs(x) * 0.5);
  return 0.5 * h * h + 0.5 / h / h;
}
fn math_tanh(x : f32) -> f32 {
  let e = math_expm1(2.0 * min(abs(x), 10.0));
  return math_with_sign(e / (e + 2.0), x);
}
fn math_asinh(x : f32) -> f32 {
  let a = abs(x);
  if (a > 1e8) { return math_with_sign(math_log(a) + 0.693147181, x); }
  return math_with_sign(math_log1p(a + a * a / (1.0 + sqrt(1.0 + a * a))), x);
}
fn math_acosh(x : f32) -> f32 {
  if (x < 1.0) { return math_nan(x); }
  if (x > 1e8) { return math_log(x) + 0.693147181; }
  let t = x - 1.0;
  return math_log1p(t + sqrt(t * (t + 2.0)));
}
fn math_atanh(x : f32) -> f32 {
  let a = abs(x);
  if (a > 1.0) { return math_nan(x); }
  if (a == 1.0) { return math_with_sign(math_inf(x), x); }
  return math_with_sign(0.5 * math_log1p(2.0 * a / (1.0 - a)), x);
}

// 1 - erf(z) for z >= 0: exp(-z^2) times a polynomial in 1 / (1 + z/2), relative error 1e-7 and
// that of the square.
fn math_erfc_positive(z : f32) -> f32 {
  // exp(-11^2) is 0 with and without subnormal numbers, so that the gelu of -infinity is NaN on all.
  let c = min(z, 11.0);
  let t = 1.0 / (1.0 + 0.5 * c);
  let poly = 0.282056669 + t * (0.283032858 + t * (0.236982285 + t * (0.234240795 +
             t * (-0.126137768 + t * (0.477847038 + t * (-0.743430203 + t * (0.48775001 +
             t * (-0.149758975 + t * 0.0174172823))))))));
  return t * poly * math_exp(-c * c);
}
fn math_erf(x : f32) -> f32 {
  let a = abs(x);
  if (a < 1.0) {
    let z = x * x;
    // The series of the integral of exp(-t^2).
    return 1.12837917 * x * (1.0 + z * (-0.333333333 + z * (0.1 + z * (-0.0238095238 +
           z * (0.00462962963 + z * (-0.000757575758 + z * (0.000106837607 + z * (-1.32275132e-5 +
           z * (1.45891690e-6 - z * 1.45038522e-7)))))))));
  }
  return math_with_sign(1.0 - math_erfc_positive(a), x);
}
// x/2 * (1 + erf(x / sqrt(2))), without cancellation for negative x.
fn math_gelu(x : f32) -> f32 {
  if (x < -1.0) { return 0.5 * x * math_erfc_positive(-x * 0.707106781); }
  return 0.5 * x * (1.0 + math_erf(x * 0.707106781));
}
fn math_sigmoid(x : f32) -> f32 {
  // The exponent is never positive, so nothing overflows.
  let e = math_exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
// x/2 * (1 + tanh(u)) = x * sigmoid(2u) with u = sqrt(2/pi) (x + 0.044715 x^3).
fn math_gelu_tanh(x : f32) -> f32 {
  let c = clamp(x, -100.0, 100.0);
  return x * math_sigmoid(1.59576912 * (c + 0.044715 * c * c * c));
}
// log(1 + e^x)
fn math_softplus(x : f32) -> f32 { return max(x, 0.0) + math_log1p(math_exp(-abs(x))); }

// Whether v is a whole number, and whether an odd one.
fn math_is_whole(v : f32) -> bool { return floor(v) == v; }
fn math_is_odd(v : f32) -> bool {
  return abs(v) < 16777216.0 && math_is_whole(v) && (i32(v) & 1) != 0;
}
fn math_pow(a : f32, b : f32) -> f32 {
  if (b == 0.0 || a == 1.0) { return 1.0; }
  if (math_is_nan(a)) { return a; }
  if (math_is_nan(b)) { return b; }
  if (math_is_inf(b)) {
    if (abs(a) == 1.0) { return 1.0; }
    return select(0.0, math_inf(a), (abs(a) > 1.0) == (b > 0.0));
  }
  let odd = math_is_odd(b);
  if (a == 0.0 || math_is_inf(a)) {
    let grows = (a == 0.0) == (b < 0.0);
    let v = select(0.0, math_inf(a), grows);
    if (odd) { return math_with_sign(v, a); }
    return v;
  }
  if (a < 0.0 && !math_is_whole(b)) { return math_nan(a); }
  if (b == 0.5) { return sqrt(a); }
  if (math_is_whole(b) && abs(b) <= 64.0) {
    var n = u32(abs(b));
    var square = a;
    var v = 1.0;
    loop {
      if ((n & 1u) != 0u) { v = v * square; }
      n = n >> 1u;
      if (n == 0u) { break; }
      square = square * square;
    }
    if (b > 0.0) { return v; }
    // A power that overflows has a reciprocal that underflows.
    return 1.0 / v;
  }
  // 2^(b (e + l)) with |l| <= 1/2; the whole part of b times e is exact.
  let parts = math_parts(abs(a));
  let f = parts.m - 1.0;
  let l = math_two_atanh(f / (2.0 + f)) * 1.44269504;
  let whole = clamp(round(b), -1e6, 1e6);
  let exact = whole * parts.e;
  let rest = (clamp(b, -1e6, 1e6) - whole) * parts.e + clamp(b, -1e8, 1e8) * l;
  let k = round(rest);
  let power = clamp(exact + k, -250.0, 250.0);
  var v = math_scale(math_exp_series((rest - k) * 0.693147181), i32(power));
  if (power >= 129.0) { v = math_inf(a); }
  return select(v, -v, odd && a < 0.0);
}

// The remainder of a / b with the sign of a, exact: long division on the bits.
fn math_fmod(a : f32, b : f32) -> f32 {
  let am = bitcast<u32>(a) & 0x7fffffffu;
  let bm = bitcast<u32>(b) & 0x7fffffffu;
  if (am >= 0x7f800000u || bm > 0x7f800000u || bm == 0u) { return math_nan(a); }
  if (am < bm) { return a; }
  let ae = max(am >> 23u, 1u);
  let be = max(bm >> 23u, 1u);
  var rest = select(am & 0x7fffffu, (am & 0x7fffffu) | 0x800000u, am >= 0x800000u);
  let divisor = select(bm & 0x7fffffu, (bm & 0x7fffffu) | 0x800000u, bm >= 0x800000u);
  rest = rest % divisor;
  for (var i = be; i < ae; i = i + 1u) { rest = (rest << 1u) % divisor; }
  // rest * 2^(be - 150)
  var bits = rest;
  if (rest != 0u && be > 1u) {
    let shift = min(countLeadingZeros(rest) - 8u, be - 1u);
    bits = rest << shift;
    if ((bits & 0x800000u) != 0u) { bits = (bits & 0x7fffffu) | ((be - shift) << 23u); }
  } else if (rest >= 0x800000u) {
    bits = rest;  // exponent field 1
  }
  return bitcast<f32>(bits | (bitcast<u32>(a) & 0x80000000u));
}

// --- pairs of floats: the sum of a rounded value and what the rounding lost

// The upper half of v's significand, so that products of halves are exact.
fn math_upper(v : f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) & 0xfffff000u); }
// a * b - p, where p is their rounded product.
fn math_product_rest(a : f32, b : f32, p : f32) -> f32 {
  let ah = math_upper(a);
  let bh = math_upper(b);
  let al = a - ah;
  let bl = b - bh;
  return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
}
// a / b rounded to nearest, where devices only promise 2.5 units in the last place.
fn math_divide(a : f32, b : f32) -> f32 {
  let q = a / b;
  let aq = abs(q);
  // Far from the limits of the format only; NaN, infinities and zero stay.
  if (!(aq > 1e-25 && aq < 1e25 && abs(a) > 1e-25 && abs(a) < 1e25)) { return q; }
  let p = q * b;
  return q + ((a - p) - math_product_rest(q, b, p)) / b;
}
fn math_pair_sum(a : f32, b : f32) -> vec2<f32> {
  let s = a + b;
  let v = s - a;
  return vec2<f32>(s, (a - (s - v)) + (b - v));
}
fn math_pair_product(a : f32, b : f32) -> vec2<f32> {
  let p = a * b;
  return vec2<f32>(p, math_product_rest(a, b, p));
}
fn math_pair_add(a : vec2<f32>, b : vec2<f32>) -> vec2<f32> {
  let s = math_pair_sum(a.x, b.x);
  return math_pair_sum(s.x, s.y + (a.y + b.y));
}
fn math_pair_mul(a : vec2<f32>, b : vec2<f32>) -> vec2<f32> {
  let p = math_pair_product(a.x, b.x);
  return math_pair_sum(p.x, p.y + (a.x * b.y + a.y * b.x));
}
// A pair divided by a float, rounded to a float.
fn math_pair_divide(a : vec2<f32>, b : f32) -> f32 {
  let q = a.x / b;
  let aq = abs(q);
  if (!(aq > 1e-25 && aq < 1e25 && abs(a.x) > 1e-25 && abs(a.x) < 1e25)) { return q; }
  let p = q * b;
  return q + (((a.x - p) - math_product_rest(q, b, p)) + a.y) / b;
}
