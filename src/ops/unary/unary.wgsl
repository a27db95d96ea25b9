// y[i] = f(x[i]) for one function f of floats (lib/float_unary).
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        y     read_write  n elements
//
// One invocation computes one element. Memory traffic: each element is read once and written once.
// Precision: float32 inside, whatever T is.

// use grid
// use float_unary

alias T = f32; // knob: f32 f16
alias R = f32; // knob: f32 f16 u32
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,     // elements
  alpha : f32, // parameters of f
  beta : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<R>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  y[i] = R(float_unary(f32(x[i]), p.alpha, p.beta));
}
