// Copies n elements into a float32 buffer from `offset` on.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        y     read_write  the buffer
//
// One invocation moves one element.

// use grid

alias T = f32; // knob: f32 f16

struct Params {
  n : u32,
  offset : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  y[p.offset + i] = f32(x[i]);
}
