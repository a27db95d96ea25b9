// The state that linear attention starts from, in float32: the past state's elements, or zeros.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        past  read        n elements from `offset` on
//   2        y     read_write  n elements
//
// One invocation moves one element.

// use grid

alias T = f32; // knob: f32 f16
const HAS_PAST : bool = false; // knob: any

struct Params {
  n : u32,
  offset : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> past : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  var v = 0.0;
  if (HAS_PAST) { v = f32(past[p.offset + i]); }
  y[i] = v;
}
