// A matrix with ones on diagonal k: y[r, c] = (c - r == k) ? one : 0.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        one   read        the one of the element type
//   2        y     read_write  rows x columns
//
// One invocation writes one element; nothing but the one is read.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  columns : u32,
  k : i32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> one : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  if (i32(i % p.columns) - i32(i / p.columns) == p.k) {
    y[i] = one[0];
  } else {
    y[i] = T();
  }
}
