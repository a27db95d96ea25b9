// y[i] = f(a[..], b[..]) for one function f of two floats (lib/float_binary) under broadcasting.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        first operand, read by MODE_A
//   2        b     read        second operand, read by MODE_B
//   3        y     read_write  n elements
//
// One invocation computes one element. Memory traffic: one load of each operand and one store an
// element; repeated elements come from the cache. Precision: float32 inside,
// whatever the operands are; integer operands (the exponents of Pow) are converted.

// use grid
// use float_binary
// use broadcast

alias A = f32; // knob: f32 f16
alias B = f32; // knob: f32 f16 i32 u32
alias R = f32; // knob: f32 f16 u32
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, neighbouring axes merged
  a_strides : array<vec4<u32>, 2>, // in elements; 0 where the operand repeats
  b_strides : array<vec4<u32>, 2>,
  n : u32,                         // elements of the result
  alpha : f32,                     // parameter of f
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<A>;
@group(0) @binding(2) var<storage, read> b : array<B>;
@group(0) @binding(3) var<storage, read_write> y : array<R>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = broadcast_offsets(i);
  y[i] = R(float_binary(f32(a[at.x]), f32(b[at.y]), p.alpha));
}
