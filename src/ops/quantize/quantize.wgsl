// y[i] = saturate(round(x[i] / scale) + zero), or the quotient rounded to a float8 or float4 type.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        n elements
//   2        scale  read        one, one for each position along the axis, or one for each block
//   3        zero   read        as many, where HAS_ZERO
//   4        y      read_write  n elements
//
// One invocation computes one element; each is read once and written once, scales come from the
// cache. The quotient is rounded to nearest in float32 (or once more in the type that PRECISION
// names), as on the CPU, so that ties are the same ones.

// use grid
// use quant
// use small_float

alias X = f32; // knob: f32 f16 i32
alias S = f32; // knob: f32 f16 i32
alias Z = u32; // knob: f32 i32 u32
alias R = u32; // knob: f32 i32 u32
const HAS_ZERO : bool = true; // knob: true false
const SMALL : u32 = 0u; // knob: 0 3 4 5 6 7
const PRECISION : u32 = 0u; // knob: 0 1 2
const SATURATE : bool = true; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,      // elements
  axis : u32,   // extent of the axis
  inner : u32,  // elements behind the axis
  block : u32,  // positions that share a scale
  blocks : u32, // scales along the axis
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<X>;
@group(0) @binding(2) var<storage, read> scale : array<S>;
@group(0) @binding(3) var<storage, read> zero : array<Z>;
@group(0) @binding(4) var<storage, read_write> y : array<R>;

// 32 bits: the sum is formed in 64.
fn quantized_word(q : f32, z : Z) -> u32 {
  let rounded = select(round(clamp(q, -1e10, 1e10)), 0.0, math_is_nan(q));
  var offset = i64_from_u32(u32(z));
  if (SIGNED) { offset = i64_from_i32(i32(z)); }
  let v = i64_add(i64_from_f32(rounded), select(vec2<u32>(0u, 0u), offset, HAS_ZERO));
  if (SIGNED) { return bitcast<u32>(i64_saturated_i32(v)); }
  if (i64_is_negative(v)) { return 0u; }
  return select(v.x, 0xffffffffu, v.y != 0u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = quant_parameter(i, p.axis, p.inner, p.block, p.blocks);
  let v = small_float(f32(x[i]), PRECISION, false);
  let s = small_float(f32(scale[at]), PRECISION, false);
  let q = small_float(math_divide(v, s), PRECISION, false);
  var z = Z(0);
  if (HAS_ZERO) { z = zero[at]; }
  if (SMALL == 7u) {
    y[i] = R(small_float(q + f32(z), SMALL, true));
  } else if (SMALL != 0u) {
    y[i] = R(small_float(q, SMALL, SATURATE));
  } else if (BITS == 32u) {
    let word = quantized_word(q, z);
    y[i] = select(R(word), R(bitcast<i32>(word)), SIGNED);
  } else {
    y[i] = R(quant_round(q, f32(z)));
  }
}
