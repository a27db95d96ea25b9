// How many ones each row of a mask has.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        mask  read        [rows, n]
//   2        y     read_write  [rows]
//
// One invocation counts one row.

// use grid

alias I = u32; // knob: u32 vec2<u32>
const HAS_MASK : bool = true; // knob: any

struct Params {
  rows : u32,
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> mask : array<I>;
@group(0) @binding(2) var<storage, read_write> y : array<i32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let row = workgroup_index(wid, nwg) * 64u + lid;
  if (row >= p.rows) { return; }
  var count = 0;
  if (HAS_MASK) {
    for (var i = 0u; i < p.n; i++) {
      if (vec2<u32>(mask[row * p.n + i]).x == 1u) { count++; }
    }
  }
  y[row] = count;
}
