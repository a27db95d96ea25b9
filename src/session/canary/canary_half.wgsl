// Self-test: float16 storage and arithmetic; some devices offer shader-f16 and compute zeros.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        rows x depth, small whole numbers
//   2        b     read        rows x depth, small multiples of 1/4
//   3        y     read_write  rows: sum of a*b
//
// One invocation computes one row. Memory traffic: a and b are read once. Precision: all sums are
// multiples of 1/4 below 512, which float16 holds exactly.

// use grid

alias T = f32; // knob: f32 f16

struct Params {
  rows : u32,
  depth : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<T>;
@group(0) @binding(2) var<storage, read> b : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let row = workgroup_index(wid, nwg) * 64u + lid;
  if (row >= p.rows) { return; }
  var sum = T(0);
  for (var k = 0u; k < p.depth; k += 1u) {
    sum += a[row * p.depth + k] * b[row * p.depth + k];
  }
  y[row] = sum;
}
