// Depthwise convolution: every group has one input channel.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [N, C, D, H, W]
//   2        w     read        [M, 1, kernel]
//   3        bias  read        [M], when HAS_BIAS
//   4        z     read        like y, added before the activation, when HAS_RESIDUAL
//   5        y     read_write  [N, M, D', H', W']
//
// One invocation computes four neighbours of one output row: a tap's weight is read once for the
// four, and x comes from cache for all taps but the first. Memory traffic: x once, y once.
// Precision: float32 inside, whatever T is.

// use grid
// use activation

alias T = f32; // knob: f32 f16
const HAS_BIAS : bool = false; // knob: true false
const HAS_RESIDUAL : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  in_dims : vec4<u32>,  // D, H, W of x, and their product
  out_dims : vec4<u32>, // the same of y
  kernel : vec4<u32>,   // extents, and their product
  stride : vec4<u32>,   //
  dilation : vec4<u32>, //
  pad : vec4<i32>,      // in front
  channels : u32,       // C
  rows : u32,           // M, a multiple of C
  quads : u32,          // fours of a row of y
  n : u32,              // fours of y in all
  alpha : f32,          // of the activation
  beta : f32,           //
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> w : array<T>;
@group(0) @binding(3) var<storage, read> bias : array<T>;
@group(0) @binding(4) var<storage, read> z : array<T>;
@group(0) @binding(5) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let line = i / p.quads; // of all rows of y
  let ox = (i % p.quads) * 4u;
  let oy = line % p.out_dims.y;
  let oz = line / p.out_dims.y % p.out_dims.x;
  let plane = line / (p.out_dims.x * p.out_dims.y); // image * M + m
  let m = plane % p.rows;
  let c = m / (p.rows / p.channels);
  let base = (plane / p.rows * p.channels + c) * p.in_dims.w;
  let step = i32(p.stride.z);

  var sum = vec4<f32>();
  var w_at = m * p.kernel.w;
  for (var kz = 0u; kz < p.kernel.x; kz++) {
    let at_z = u32(i32(oz * p.stride.x + kz * p.dilation.x) - p.pad.x);
    for (var ky = 0u; ky < p.kernel.y; ky++) {
      let at_y = u32(i32(oy * p.stride.y + ky * p.dilation.y) - p.pad.y);
      if (at_z < p.in_dims.x && at_y < p.in_dims.y) {
        let row = base + (at_z * p.in_dims.y + at_y) * p.in_dims.z;
        for (var kx = 0u; kx < p.kernel.z; kx++) {
          let weight = f32(w[w_at + kx]);
          let at = i32(ox * p.stride.z + kx * p.dilation.z) - p.pad.z;
          let at0 = u32(at);
          let at1 = u32(at + step);
          let at2 = u32(at + 2 * step);
          let at3 = u32(at + 3 * step);
          if (at0 < p.in_dims.z) { sum.x += weight * f32(x[row + at0]); }
          if (at1 < p.in_dims.z) { sum.y += weight * f32(x[row + at1]); }
          if (at2 < p.in_dims.z) { sum.z += weight * f32(x[row + at2]); }
          if (at3 < p.in_dims.z) { sum.w += weight * f32(x[row + at3]); }
        }
      }
      w_at += p.kernel.z;
    }
  }

  if (HAS_BIAS) { sum += vec4<f32>(f32(bias[m])); }
  let to = line * p.out_dims.z + ox;
  for (var j = 0u; j < 4u; j++) {
    if (ox + j >= p.out_dims.z) { break; }
    var v = sum[j];
    if (HAS_RESIDUAL) { v += f32(z[to + j]); }
    y[to + j] = T(activate(v, p.alpha, p.beta));
  }
}
