// Contracts one or two tensors over any axes: y[o] = sum over s of a[o, s] * b[o, s], each index
// combination being walked by strides (0 where an operand lacks the axis).
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read
//   2        b     read        absent when HAS_B is false, which counts as 1
//   3        y     read_write  n elements
//
// One invocation computes one element in a plain loop. Memory traffic: each element of y reads all
// its terms; what neighbours share comes out of the cache. Precision: float32; integers wrap.

// use cut_grid

alias TA = f32; // knob: f32 f16 i32 u32
alias TB = f32; // knob: f32 f16 i32 u32
alias TY = f32; // knob: f32 f16 i32 u32
alias S = f32; // knob: f32 i32 u32
alias I = i32; // knob: i32 u32
const FLOAT : bool = true; // knob: any
const HAS_B : bool = true; // knob: any
const BITS : u32 = 32u; // knob: 8 16 32
const OUT_AXES : u32 = 8u; // knob: any
const SUM_AXES : u32 = 8u; // knob: any
const WG : u32 = 64u; // knob: 64 128 256

// Axes are right-aligned: the innermost is the eighth.
struct Params {
  out_shape : array<vec4<u32>, 2>,
  a_out : array<vec4<u32>, 2>,
  b_out : array<vec4<u32>, 2>,
  sum_shape : array<vec4<u32>, 2>,
  a_sum : array<vec4<u32>, 2>,
  b_sum : array<vec4<u32>, 2>,
  n : u32,
  terms : u32,
  first_workgroup : u32,  // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<TA>;
@group(0) @binding(2) var<storage, read> b : array<TB>;
@group(0) @binding(3) var<storage, read_write> y : array<TY>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var rest = i;
  var a_base = 0u;
  var b_base = 0u;
  for (var k = 0u; k < OUT_AXES; k++) {
    let axis = 7u - k;
    let extent = p.out_shape[axis / 4u][axis % 4u];
    let at = rest % extent;
    rest = rest / extent;
    a_base += at * p.a_out[axis / 4u][axis % 4u];
    b_base += at * p.b_out[axis / 4u][axis % 4u];
  }
  var sum = S(0);
  for (var t = 0u; t < p.terms; t++) {
    var left = t;
    var a_at = a_base;
    var b_at = b_base;
    for (var k = 0u; k < SUM_AXES; k++) {
      let axis = 7u - k;
      var at = left;
      if (k + 1u < SUM_AXES) {
        let extent = p.sum_shape[axis / 4u][axis % 4u];
        at = left % extent;
        left = left / extent;
      }
      a_at += at * p.a_sum[axis / 4u][axis % 4u];
      b_at += at * p.b_sum[axis / 4u][axis % 4u];
    }
    var term = S(a[a_at]);
    if (HAS_B) { term = term * S(b[b_at]); }
    sum += term;
  }
  if (FLOAT) {
    y[i] = TY(sum);
  } else {
    y[i] = TY((I(sum) << (32u - BITS)) >> (32u - BITS));
  }
}
