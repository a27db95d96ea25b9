// Zeros: what MaxUnpool's output holds where no index points.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        y     read_write  n elements
//
// One invocation writes one element. Memory traffic: y once.

// use grid

alias T = f32; // knob: f32 f16
const WG : u32 = 256u;

struct Params {
  n : u32, // elements
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i < p.n) { y[i] = T(0); }
}
