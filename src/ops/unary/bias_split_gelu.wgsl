// With x + bias split in two halves along the last axis: y = left * gelu(right).
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [rows, 2 * half]
//   2        bias  read        [2 * half]
//   3        y     read_write  [rows, half]
//
// One invocation computes one element of y from two of x and two of bias. Precision: float32
// inside, whatever T is.

// use grid
// use math

alias T = f32; // knob: f32 f16
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,    // elements of y
  half : u32, // columns of y
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> bias : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let row = i / p.half;
  let column = i - row * p.half;
  let at = row * 2u * p.half + column;
  let left = f32(x[at]) + f32(bias[column]);
  let right = f32(x[at + p.half]) + f32(bias[column + p.half]);
  y[i] = T(left * math_gelu(right));
}
