// What becomes of the exact sums of a quantized matrix product: y = round(v) + y_zero, saturated
// (QUANTIZED), or y = v + bias, where v = (sum + c) * factor and
// factor = alpha * a_scale * b_scale / y_scale.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        sums     read        [batch..., m, n]
//   2        a_scale  read        one, or one per row (a_step 1)
//   3        b_scale  read        one, or one per column (b_step 1)
//   4        y_scale  read        one, or one per row
//   5        y_zero   read        one, or one per row
//   6        c        read        int32 bias in units of a_scale * b_scale, at row * c_m + column * c_n
//   7        bias     read        floating bias, one per column (bias_step 1) or one
//   8        y        read_write  [batch..., m, n]
//
// One invocation computes one element. Memory traffic: one word read and one written per element.
// Precision: float32, rounded to the nearest, ties to even; the factor is the host's where all
// scales are known before the run (WGSL's division may be a few units off).

// use grid

alias SA = f32; // knob: f32 f16
alias SY = f32; // knob: f32 f16
alias ZY = i32; // knob: i32 u32
alias Y = f32; // knob: f32 f16 i32 u32
const QUANTIZED : bool = false; // knob: any
const HAS_FACTOR : bool = false; // knob: any
const HAS_Y_SCALE : bool = false; // knob: any
const HAS_C : bool = false; // knob: any
const HAS_BIAS : bool = false; // knob: any

struct Params {
  total : u32,
  m : u32,
  n : u32,
  a_step : u32,
  b_step : u32,
  y_scale_step : u32,
  y_zero_step : u32,
  c_m : u32,
  c_n : u32,
  bias_step : u32,
  low : i32,   // bounds of the result's type
  high : i32,
  alpha : f32,
  factor : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> sums : array<i32>;
@group(0) @binding(2) var<storage, read> a_scale : array<SA>;
@group(0) @binding(3) var<storage, read> b_scale : array<SA>;
@group(0) @binding(4) var<storage, read> y_scale : array<SY>;
@group(0) @binding(5) var<storage, read> y_zero : array<ZY>;
@group(0) @binding(6) var<storage, read> c : array<i32>;
@group(0) @binding(7) var<storage, read> bias : array<SA>;
@group(0) @binding(8) var<storage, read_write> y : array<Y>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.total) { return; }
  let column = i % p.n;
  let row = i / p.n % p.m;
  var sum = sums[i];
  if (HAS_C) { sum += c[row * p.c_m + column * p.c_n]; }
  var factor = p.factor;
  if (!HAS_FACTOR) {
    factor = p.alpha * f32(a_scale[row * p.a_step]) * f32(b_scale[column * p.b_step]);
    if (HAS_Y_SCALE) { factor /= f32(y_scale[row * p.y_scale_step]); }
  }
  var v = f32(sum) * factor;
  if (QUANTIZED) {
    // Bounded before the conversion: results outside of int32 are undefined.
    let q = i32(round(clamp(v, -1e6, 1e6))) + i32(y_zero[row * p.y_zero_step]);
    y[i] = Y(clamp(q, p.low, p.high));
    return;
  }
  if (HAS_BIAS) { v += f32(bias[column * p.bias_step]); }
  y[i] = Y(v);
}
