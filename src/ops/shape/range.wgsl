// y[i] = start + i * delta.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        start  read        one element
//   2        delta  read        one element
//   3        y      read_write  n elements
//
// One invocation computes one element. Precision: float32 for floats, wrapping 32-bit integers for
// the rest (the results of narrow types lie between start and limit, so they never wrap).

// use grid

alias T = f32; // knob: f32 f16 i32 u32
const FLOAT : bool = true; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> start : array<T>;
@group(0) @binding(2) var<storage, read> delta : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  if (FLOAT) {
    y[i] = T(fma(f32(i), f32(delta[0]), f32(start[0])));
  } else {
    y[i] = start[0] + T(i) * delta[0];
  }
}
