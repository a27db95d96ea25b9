// y[i] = f(x[i]) for one elementwise function f, chosen by OP.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        y     read_write  n elements
//
// One invocation computes one element. Memory traffic: each element is read once and written once.
// Precision: float32 inside, whatever T is; arguments of exp are clamped so that nothing becomes NaN
// where the function is finite.

// use grid

alias T = f32; // knob: f32 f16
const OP : u32 = 0u; // knob: 0 1 2
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,     // elements
  alpha : f32, // LeakyRelu's slope
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

fn apply(v : f32) -> f32 {
  if (OP == 0u) { return max(v, 0.0); }
  if (OP == 1u) { return select(p.alpha * v, v, v >= 0.0); }
  // The exponent is never positive, so nothing overflows.
  let e = exp(-abs(v));
  return select(e, 1.0, v >= 0.0) / (1.0 + e);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  y[i] = T(apply(f32(x[i])));
}
