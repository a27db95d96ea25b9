// Running statistics: y = old * momentum + found * (1 - momentum).
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        old    read        n elements
//   2        found  read        n elements
//   3        y      read_write  n elements
//
// One invocation computes one element. Precision: float32.

// use grid

alias T = f32; // knob: f32 f16

struct Params {
  n : u32,
  momentum : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> old : array<T>;
@group(0) @binding(2) var<storage, read> found : array<f32>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  y[i] = T(f32(old[i]) * p.momentum + found[i] * (1.0 - p.momentum));
}
