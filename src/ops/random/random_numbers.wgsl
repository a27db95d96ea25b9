// Random numbers by the generator of random.h, each from its own index: the same ones as on the CPU.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        OP 2: n probabilities
//   2        y     read_write  n numbers
//
// One invocation makes one number: OP 0 uniform in [a, b), 1 normal with mean a and deviation b, 2 one
// with probability x[i], else zero. Draws are 64-bit integers; a uniform number is their upper 53
// bits as a pair of floats, which is rounded once. The normal distribution is float32.

// use grid
// use math

alias X = f32; // knob: f32 f16
alias R = f32; // knob: f32 f16 i32 u32
const OP : u32 = 0u; // knob: 0 1 2
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,        // numbers
  key_low : u32,  // the generator's key
  key_high : u32, //
  a : f32,        // lower bound or mean
  b : f32,        // upper bound or deviation
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<X>;
@group(0) @binding(2) var<storage, read_write> y : array<R>;

fn xor_shifted(v : vec2<u32>, by : u32) -> vec2<u32> { return v ^ u64_shr(v, by); }
// The upper 53 bits of draw i (SplitMix64).
fn draw(i : u32) -> vec2<u32> {
  let step = vec2<u32>(0x7f4a7c15u, 0x9e3779b9u);
  let count = i64_add(vec2<u32>(i, 0u), vec2<u32>(1u, 0u));
  var v = i64_add(vec2<u32>(p.key_low, p.key_high), i64_mul(count, step));
  v = i64_mul(xor_shifted(v, 30u), vec2<u32>(0x1ce4e5b9u, 0xbf58476du));
  v = i64_mul(xor_shifted(v, 27u), vec2<u32>(0x133111ebu, 0x94d049bbu));
  return u64_shr(xor_shifted(v, 31u), 11u);
}
// As a number in [0, 1): 24 bits and the 29 below them.
fn uniform_pair(i : u32) -> vec2<f32> {
  let bits = draw(i);
  let upper = (bits.y << 3u) | (bits.x >> 29u);
  return vec2<f32>(f32(upper) * 5.96046448e-8, f32(bits.x & 0x1fffffffu) * 1.11022302e-16);
}

fn normal(i : u32) -> f32 {
  // Elements 2k and 2k + 1 are the two coordinates of one point.
  let u = uniform_pair(i & 0xfffffffeu);
  let v = uniform_pair(i | 1u);
  var l = 0.0;
  if (u.x < 0.4) {
    l = math_log1p(-(u.x + u.y));
  } else {
    l = math_log((1.0 - u.x) - u.y);
  }
  let radius = sqrt(-2.0 * l);
  // The angle 2 pi v from the nearest quarter of the circle.
  let quarter = round(4.0 * v.x);
  let r = ((v.x - 0.25 * quarter) + v.y) * 6.28318531;
  let quadrant = (u32(quarter) + 4u - (i & 1u)) & 3u;  // sin(t) = cos(t - pi/2)
  var c = math_cos_series(r);
  if ((quadrant & 1u) != 0u) { c = math_sin_series(r); }
  return radius * select(c, -c, quadrant == 1u || quadrant == 2u);
}

fn number(i : u32) -> f32 {
  if (OP == 0u) {
    let span = math_pair_sum(p.b, -p.a);
    return math_pair_add(math_pair_mul(span, uniform_pair(i)), vec2<f32>(p.a, 0.0)).x;
  }
  if (OP == 1u) { return p.a + p.b * normal(i); }
  let chance = f32(x[i]);
  if (math_is_nan(chance) || chance <= 0.0) { return 0.0; }
  if (chance >= 1.0) { return 1.0; }
  // draw < chance * 2^53, both exact.
  let scaled = chance * 9007199254740992.0;
  let whole = i64_from_f32(scaled);
  let bits = draw(i);
  let tie = i64_equal(bits, whole) && scaled < 8388608.0 && floor(scaled) != scaled;
  return select(0.0, 1.0, u64_less(bits, whole) || tie);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  y[i] = R(number(i));
}
