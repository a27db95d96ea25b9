// y[i] = f(a[..], b[..]) for one function f of 64-bit integers under broadcasting.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        first operand, read by MODE_A
//   2        b     read        second operand, read by MODE_B
//   3        y     read_write  n elements
//
// One invocation computes one element. Memory traffic: one load of each operand and one store an
// element; repeated elements come from the cache.
//
// Exact; results wrap. Division by zero, an error on the CPU, gives the quotient 0.

// use grid
// use i64
// use broadcast

const OP : u32 = 0u; // knob: any
const SIGNED : bool = true; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, neighbouring axes merged
  a_strides : array<vec4<u32>, 2>, // in elements; 0 where the operand repeats
  b_strides : array<vec4<u32>, 2>,
  n : u32,                         // elements of the result
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> b : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> y : array<vec2<u32>>;

fn less(u : vec2<u32>, v : vec2<u32>) -> bool {
  if (SIGNED) { return i64_less(u, v); }
  return u64_less(u, v);
}
fn rest(u : vec2<u32>, v : vec2<u32>) -> vec2<u32> {
  if (SIGNED) { return i64_rem(u, v); }
  return u64_divide(u, v).rest;
}
fn power(base : vec2<u32>, exponent : vec2<u32>) -> vec2<u32> {
  if (SIGNED && i64_is_negative(exponent)) {
    // 1 / base^k, truncated; for 0 the infinity, clamped to 2^63 - 1.
    let minus_one = vec2<u32>(0xffffffffu, 0xffffffffu);
    if (i64_equal(base, vec2<u32>(1u, 0u))) { return base; }
    if (i64_is_zero(base)) { return vec2<u32>(0xffffffffu, 0x7fffffffu); }
    if (i64_equal(base, minus_one)) {
      return select(vec2<u32>(1u, 0u), base, (exponent.x & 1u) != 0u);
    }
    return vec2<u32>(0u, 0u);
  }
  return i64_pow(base, exponent);
}

fn apply(u : vec2<u32>, v : vec2<u32>) -> vec2<u32> {
  switch (OP) {
    case 0u: { return i64_add(u, v); }
    case 1u: { return i64_sub(u, v); }
    case 2u: { return i64_mul(u, v); }
    case 3u: {
      if (SIGNED) { return i64_div(u, v); }
      return u64_divide(u, v).quotient;
    }
    case 4u: { return power(u, v); }
    case 5u: {
      let r = rest(u, v);
      let fix = SIGNED && !i64_is_zero(r) && i64_is_negative(r) != i64_is_negative(v);
      return select(r, i64_add(r, v), fix);
    }
    case 6u: { return rest(u, v); }
    case 7u: { return select(u, v, less(u, v)); }
    case 8u: { return select(u, v, less(v, u)); }
    case 14u: { return select(u, i64_mul(u, v), SIGNED && i64_is_negative(u)); }  // PRelu
    case 15u: { return u & v; }
    case 16u: { return u | v; }
    case 17u: { return u ^ v; }
    case 18u: { return select(i64_shl(u, v.x), vec2<u32>(0u, 0u), v.y != 0u); }  // BitShift
    case 19u: { return select(u64_shr(u, v.x), vec2<u32>(0u, 0u), v.y != 0u); }
    default: { return u; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = broadcast_offsets(i);
  y[i] = apply(a[at.x], b[at.y]);
}
