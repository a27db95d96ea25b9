// y = A B + c for 64-bit integers: any strides, up to eight batch axes.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        element (row, k) at row * a_m + k * a_k of its matrix
//   2        b     read        element (k, column) at k * b_k + column * b_n
//   3        c     read        bias, at row * c_m + column * c_n
//   4        y     read_write  [batch..., m, n], contiguous
//
// One invocation computes one element. Memory traffic: 2 k elements per element of y, most of them
// from the cache. Precision: exact modulo 2^64.

// use cut_grid
// use strided_matrices
// use i64

const HAS_C : bool = false; // knob: any

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> b : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> c : array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> y : array<vec2<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let index = workgroup_index(wid, nwg) * 256u + lid;
  if (index >= p.total) { return; }
  let at = operands_of(index);
  var sum = vec2<u32>();
  for (var k = 0u; k < p.k; k++) {
    sum = i64_add(sum, i64_mul(a[at.a + k * p.a_k], b[at.b + k * p.b_k]));
  }
  if (HAS_C) { sum = i64_add(sum, c[at.c]); }
  y[index] = sum;
}
