// y[i] = f(a[..], b[..]) for one function f of integers of at most 32 bits, or of bools, under
// broadcasting.
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
// Exact. Results wrap to the width of the type: SHIFT bits are shifted out at the top and back in.
// Division by zero, an error on the CPU, gives what WGSL says (the dividend).

// use grid
// use broadcast

alias T = i32; // knob: i32 u32
alias R = i32; // knob: i32 u32
const OP : u32 = 0u; // knob: any
const SHIFT : u32 = 0u; // knob: 0 16 24 28 30
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, neighbouring axes merged
  a_strides : array<vec4<u32>, 2>, // in elements; 0 where the operand repeats
  b_strides : array<vec4<u32>, 2>,
  n : u32,                         // elements of the result
  count : u32,                     // operands of Mean
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<T>;
@group(0) @binding(2) var<storage, read> b : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<R>;

fn power(base : T, exponent : T) -> T {
  if (exponent < T(0)) {
    // 1 / base^k, truncated; for 0 the infinity, clamped to 2^63 - 1 and narrowed.
    if (base == T(1)) { return base; }
    if (base == T(0)) { return ~T(0); }
    if (base == T(0) - T(1)) { return select(T(1), base, (exponent & T(1)) != T(0)); }
    return T(0);
  }
  var result = T(1);
  var square = base;
  var left = u32(exponent);
  loop {
    if (left == 0u) { break; }
    if ((left & 1u) != 0u) { result = result * square; }
    square = square * square;
    left = left >> 1u;
  }
  return result;
}

fn apply(u : T, v : T) -> T {
  switch (OP) {
    case 0u: { return u + v; }
    case 1u: { return u - v; }
    case 2u: { return u * v; }
    case 3u: { return u / v; }
    case 4u: { return power(u, v); }
    case 5u: {
      let r = u % v;
      return select(r, r + v, r != T(0) && (r < T(0)) != (v < T(0)));
    }
    case 6u: { return u % v; }
    case 7u: { return max(u, v); }
    case 8u: { return min(u, v); }
    case 9u: { return select(T(0), T(1), u == v); }
    case 10u: { return select(T(0), T(1), u < v); }
    case 11u: { return select(T(0), T(1), u <= v); }
    case 12u: { return select(T(0), T(1), u > v); }
    case 13u: { return select(T(0), T(1), u >= v); }
    case 14u: { return select(u, u * v, u < T(0)); }  // PRelu
    case 15u: { return u & v; }
    case 16u: { return u | v; }
    case 17u: { return u ^ v; }
    case 18u, 19u: {  // BitShift to the left, to the right
      let bits = 32u - SHIFT;
      let by = u32(v);
      if (by >= bits) { return T(0); }
      if (OP == 18u) { return u << by; }
      return u >> by;
    }
    case 20u: { return (u + v) / T(p.count); }  // the last step of Mean
    default: { return u; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = broadcast_offsets(i);
  y[i] = R((apply(a[at.x], b[at.y]) << SHIFT) >> SHIFT);
}
