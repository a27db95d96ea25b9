// Dropout that drops nothing: y = x, and a mask of ones.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        y     read_write  n elements
//   3        mask  read_write  n elements
//
// One invocation moves one element.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const HAS_MASK : bool = false; // knob: any

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;
@group(0) @binding(3) var<storage, read_write> mask : array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  y[i] = x[i];
  if (HAS_MASK) { mask[i] = 1u; }
}
