// y[i] = f(a[..], b[..]) for one function f of two floats (lib/float_binary) under broadcasting,
// four neighbouring elements of the last axis at a time.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        first operand, read by MODE_A
//   2        b     read        second operand, read by MODE_B
//   3        y     read_write  4 * n elements
//
// One invocation computes four elements. An operand is either a vec4 (it runs along the last axis,
// strides in units of four) or a scalar (it repeats along the last axis). Memory traffic: one load
// of each operand and one store of 16 bytes. Precision: float32 inside.

// use grid
// use float_binary
// use broadcast

alias A = vec4<f32>; // knob: vec4<f32> vec4<f16> f32
alias B = vec4<f32>; // knob: vec4<f32> vec4<f16> f32
alias R = vec4<f32>; // knob: vec4<f32> vec4<f16> vec4<u32>
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, the last axis in groups of four
  a_strides : array<vec4<u32>, 2>, // in items of A; 0 where the operand repeats
  b_strides : array<vec4<u32>, 2>, // in items of B
  n : u32,                         // groups of four elements of the result
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
  let u = vec4<f32>(a[at.x]);
  let v = vec4<f32>(b[at.y]);
  y[i] = R(vec4<f32>(float_binary(u.x, v.x, p.alpha), float_binary(u.y, v.y, p.alpha),
                     float_binary(u.z, v.z, p.alpha), float_binary(u.w, v.w, p.alpha)));
}
