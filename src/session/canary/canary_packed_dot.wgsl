// Self-test: products of four int8 at a time (language feature packed_4x8_integer_dot_product).
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        n words of four int8
//   2        b     read        n words of four int8
//   3        y     read_write  n int32: a0*b0 + a1*b1 + a2*b2 + a3*b3
//
// One invocation computes one word. Memory traffic: two reads, one write. Precision: exact.

// use grid

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<u32>;
@group(0) @binding(2) var<storage, read> b : array<u32>;
@group(0) @binding(3) var<storage, read_write> y : array<i32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 64u + lid;
  if (i >= p.n) { return; }
  y[i] = dot4I8Packed(a[i], b[i]);
}
