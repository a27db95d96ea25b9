// Self-test: dot products that are exact in float32, and sums of exponentials that are not.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        rows x depth, small whole numbers
//   2        b     read        rows x depth, small whole numbers
//   3        y     read_write  rows x 2: sum of a*b; sum of exp(-|a| / 8) * b
//
// One invocation computes one row. Memory traffic: a and b are read once. Precision: the first sum
// stays below 2^24, so every order and every fma gives the same bits; the second is judged with a
// tolerance (WGSL allows exp 3 + 2|x| ULP).

// use grid

struct Params {
  rows : u32,
  depth : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<f32>;
@group(0) @binding(2) var<storage, read> b : array<f32>;
@group(0) @binding(3) var<storage, read_write> y : array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let row = workgroup_index(wid, nwg) * 64u + lid;
  if (row >= p.rows) { return; }
  var dot = 0.0;
  var sum = 0.0;
  for (var k = 0u; k < p.depth; k += 1u) {
    let u = a[row * p.depth + k];
    let v = b[row * p.depth + k];
    dot = fma(u, v, dot);
    sum += exp(-min(abs(u), 64.0) * 0.125) * v;
  }
  y[2u * row] = dot;
  y[2u * row + 1u] = sum;
}
