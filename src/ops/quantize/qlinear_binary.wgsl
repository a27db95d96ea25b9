// y = quantize(dequantize(a) OP dequantize(b)) under broadcasting, OP 0 sum, 1 product.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        first operand, read by MODE_A
//   2        b     read        second operand, read by MODE_B
//   3        pack  read        scales of a, b, y and zero points of a, b, y (quant_pack)
//   4        y     read_write  n elements
//
// One invocation computes one element: one load of each operand and one store. Sums and products
// are pairs of floats (about 48 bits) up to the one rounding, so that ties fall as in double.

// use grid
// use broadcast
// use quant

alias A = u32; // knob: i32 u32
alias B = u32; // knob: i32 u32
alias R = u32; // knob: i32 u32
const OP : u32 = 0u; // knob: 0 1
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, neighbouring axes merged
  a_strides : array<vec4<u32>, 2>, // in elements; 0 where the operand repeats
  b_strides : array<vec4<u32>, 2>,
  n : u32,                         // elements of the result
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<A>;
@group(0) @binding(2) var<storage, read> b : array<B>;
@group(0) @binding(3) var<storage, read> pack : array<f32>;
@group(0) @binding(4) var<storage, read_write> y : array<R>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = broadcast_offsets(i);
  let u = math_pair_product(pack[0], f32(a[at.x]) - pack[3]);
  let v = math_pair_product(pack[1], f32(b[at.y]) - pack[4]);
  var w = u;
  if (OP == 0u) {
    w = math_pair_add(u, v);
  } else {
    w = math_pair_mul(u, v);
  }
  y[i] = R(quant_round(math_pair_divide(w, pack[2]), pack[5]));
}
