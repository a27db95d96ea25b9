// y[i] = (x[i] - zero) * scale.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        n elements
//   2        scale  read        one, one for each position along the axis, or one for each block
//   3        zero   read        as many, where HAS_ZERO
//   4        y      read_write  n elements
//
// One invocation computes one element; each is read once and written once, scales come from the
// cache. The difference is exact up to 24 bits (formed in 64 where BITS is 32), the product rounds.

// use grid
// use quant

alias X = u32; // knob: f32 i32 u32
alias S = f32; // knob: f32 f16 i32
alias R = f32; // knob: f32 f16
const HAS_ZERO : bool = true; // knob: true false
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
@group(0) @binding(3) var<storage, read> zero : array<X>;
@group(0) @binding(4) var<storage, read_write> y : array<R>;

fn wide(v : X) -> vec2<u32> {
  if (SIGNED) { return i64_from_i32(i32(v)); }
  return i64_from_u32(u32(v));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = quant_parameter(i, p.axis, p.inner, p.block, p.blocks);
  var z = X(0);
  if (HAS_ZERO) { z = zero[at]; }
  var difference = f32(x[i]) - f32(z);
  if (BITS == 32u && HAS_ZERO) { difference = i64_to_f32(i64_sub(wide(x[i]), wide(z))); }
  y[i] = R(difference * f32(scale[at]));
}
