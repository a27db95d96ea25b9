// What a reduction does with each element, with two partial results, and at the end. An accumulator
// is a pair: the total and, for LogSumExp only, where x is the greatest exponent so far, the sum of
// exp(v - x). Sums and products of integers wrap. NaN spreads from any element, also through max
// and min, where WGSL alone would leave it open.

alias A = f32; // knob: f32 i32 u32
const FLOAT : bool = true; // knob: any
// 0: the element, 1: its magnitude, 2: its square
const PRE : u32 = 0u; // knob: 0 1 2
// 0 sum, 1 max, 2 min, 3 product, 4 log-sum-exp
const COMBINE : u32 = 0u; // knob: 0 1 2 3 4
// 0 nothing, 1 divide by the count, 2 square root, 3 logarithm, 4 log-sum-exp
const POST : u32 = 0u; // knob: 0 1 2 3 4
// Of the result: 32 whole, less: a narrow integer, 1: bool.
const BITS : u32 = 32u; // knob: 1 2 4 8 16 32
alias I = i32; // knob: i32 u32

fn is_nan(v : A) -> bool {
  return FLOAT && (bitcast<u32>(f32(v)) & 0x7fffffffu) > 0x7f800000u;
}

fn element(v : A) -> vec2<A> {
  if (PRE == 1u) { return vec2<A>(abs(v), A(1)); }
  if (PRE == 2u) { return vec2<A>(v * v, A(1)); }
  return vec2<A>(v, A(1));
}

fn combine(a : vec2<A>, b : vec2<A>) -> vec2<A> {
  if (COMBINE == 0u) { return a + b; }
  if (COMBINE == 3u) { return a * b; }
  if (is_nan(a.x)) { return a; }
  if (is_nan(b.x)) { return b; }
  if (COMBINE == 1u) { return max(a, b); }
  if (COMBINE == 2u) { return min(a, b); }
  // Equal exponents, infinite ones among them, leave the sums as they are.
  if (a.x == b.x) { return vec2<A>(a.x, a.y + b.y); }
  let more = select(b, a, a.x > b.x);
  let less = select(a, b, a.x > b.x);
  if (less.y == A(0)) { return more; }
  return vec2<A>(more.x, more.y + less.y * A(exp(max(f32(less.x - more.x), -100.0))));
}

// `nan` and `infinity` are bits; WGSL has no constants for them.
fn finish(total : vec2<A>, count : u32, nan : u32, infinity : u32) -> A {
  if (POST == 1u) {
    if (count == 0u) { return A(bitcast<f32>(nan)); }
    return A(f32(total.x) / f32(count));
  }
  if (POST == 2u) { return A(sqrt(f32(total.x))); }
  if (POST == 3u) {
    let v = f32(total.x);
    if (v == 0.0) { return A(-bitcast<f32>(infinity)); }
    if (v < 0.0) { return A(bitcast<f32>(nan)); }
    return A(log(v));
  }
  if (POST == 4u) {
    if ((bitcast<u32>(f32(total.x)) & 0x7f800000u) == 0x7f800000u) { return total.x; }
    return total.x + A(log(f32(total.y)));
  }
  if (!FLOAT) {
    if (BITS == 1u) { return select(A(0), A(1), total.x != A(0)); }
    return A((I(total.x) << (32u - BITS)) >> (32u - BITS));
  }
  return total.x;
}
