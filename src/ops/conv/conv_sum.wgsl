// Adds up the parts that conv_gemm made of a small output, and does what follows the sums.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        parts   read        [parts, N, M, positions]
//   2        bias    read        [M], when HAS_BIAS
//   3        z       read        like y, added before the activation, when HAS_RESIDUAL
//   4        factor  read        [M], when QUANT: x_scale * w_scale / y_scale
//   5        y       read_write  [N, M, positions]
//
// One invocation computes one element. Memory traffic: the parts once, y once. Precision: float32,
// or exact int32; parts are added in order.

// use grid
// use conv_store

alias B = f32; // knob: f32 f16 i32
alias A = f32; // knob: f32 i32
alias Y = f32; // knob: f32 f16 i32 u32
const INTEGER : bool = false; // knob: true false
const QUANT : bool = false; // knob: true false
const HAS_BIAS : bool = false; // knob: true false
const HAS_RESIDUAL : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  parts : u32,  //
  n : u32,      // elements of y
  plane : u32,  // positions of one channel
  rows : u32,   // M
  y_zero : i32, // zero point
  y_low : i32,  // bounds of y's dtype
  y_high : i32, //
  alpha : f32,  // of the activation
  beta : f32,   //
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> parts : array<A>;
@group(0) @binding(2) var<storage, read> bias : array<B>;
@group(0) @binding(3) var<storage, read> z : array<Y>;
@group(0) @binding(4) var<storage, read> factor : array<f32>;
@group(0) @binding(5) var<storage, read_write> y : array<Y>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let m = i / p.plane % p.rows;
  var v = A();
  for (var part = 0u; part < p.parts; part++) { v += parts[part * p.n + i]; }
  conv_store(i, m, v);
}
