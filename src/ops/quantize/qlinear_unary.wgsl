// y = quantize(f(dequantize(x))), f by OP: 0 nothing (another scale), 1 sigmoid, 2 leaky relu.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements: lines of x_line
//   2        pack  read        scale of x, (any), of y; zero point of x, (any), of y (quant_pack)
//   3        y     read_write  the same lines, one every y_line elements from `first` on
//
// One invocation computes one element: one load and one store. Products are pairs of floats (about
// 48 bits) up to the one rounding, so that ties fall as in double; the sigmoid is float32.

// use grid
// use quant

alias X = u32; // knob: i32 u32
alias R = u32; // knob: i32 u32
const OP : u32 = 0u; // knob: 0 1 2
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,      // elements
  x_line : u32, // elements of a line of x
  y_line : u32, // elements between the lines of y
  first : u32,  // where the first line of y begins
  alpha : f32,  // slope of leaky relu
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<X>;
@group(0) @binding(2) var<storage, read> pack : array<f32>;
@group(0) @binding(3) var<storage, read_write> y : array<R>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var v = math_pair_product(pack[0], f32(x[i]) - pack[3]);
  if (OP == 1u) { v = vec2<f32>(math_sigmoid(v.x + v.y), 0.0); }
  if (OP == 2u && v.x < 0.0) { v = math_pair_mul(v, vec2<f32>(p.alpha, 0.0)); }
  let line = i / p.x_line;
  let to = line * p.y_line + p.first + (i - line * p.x_line);
  y[to] = R(quant_round(math_pair_divide(v, pack[2]), pack[5]));
}
