// y = act(alpha * A B + beta * c): the plain form, for any strides, up to eight batch axes, and
// wrapping 32-bit integers.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        element (row, k) at row * a_m + k * a_k of its matrix
//   2        b     read        element (k, column) at k * b_k + column * b_n
//   3        c     read        bias, at row * c_m + column * c_n
//   4        y     read_write  [batch..., m, n], contiguous
//
// One invocation computes one element. Memory traffic: 2 k elements per element of y, most of them
// from the cache. Precision: sums in float32, or modulo 2^32 (ACC = u32, for signed integers too).

// use cut_grid
// use strided_matrices
// use activation

alias T = f32; // knob: f32 f16 u32
alias ACC = f32; // knob: f32 u32
const SCALED : bool = false; // knob: any
const HAS_C : bool = false; // knob: any

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<T>;
@group(0) @binding(2) var<storage, read> b : array<T>;
@group(0) @binding(3) var<storage, read> c : array<T>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let index = workgroup_index(wid, nwg) * 256u + lid;
  if (index >= p.total) { return; }
  let at = operands_of(index);
  var sum = ACC();
  for (var k = 0u; k < p.k; k++) {
    sum += ACC(a[at.a + k * p.a_k]) * ACC(b[at.b + k * p.b_k]);
  }
  if (SCALED) {
    var v = p.alpha * f32(sum);
    if (HAS_C) { v += p.beta * f32(c[at.c]); }
    y[index] = T(activate(v, p.act_alpha, p.act_beta));
    return;
  }
  if (HAS_C) { sum += ACC(c[at.c]); }
  y[index] = T(sum);
}
