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
// four, and when SLIDING (stride and dilation 1 along the row) so are the elements that they share;
// x comes from cache for all lines but the first. Memory traffic: x once, y once.
// Precision: float32 inside, whatever T is.

// use cut_grid
// use activation

alias T = f32; // knob: f32 f16
const SLIDING : bool = false; // knob: true false
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
  first_workgroup : u32, // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> w : array<T>;
@group(0) @binding(3) var<storage, read> bias : array<T>;
@group(0) @binding(4) var<storage, read> z : array<T>;
@group(0) @binding(5) var<storage, read_write> y : array<T>;

// Element `at` of the line of x that starts at `line`; nothing outside.
fn along(line : u32, at : i32) -> f32 {
  if (u32(at) >= p.in_dims.z) { return 0.0; }
  return f32(x[u32(i32(line) + at)]);
}

fn store(to : u32, m : u32, sum : f32) {
  var v = sum;
  if (HAS_BIAS) { v += f32(bias[m]); }
  if (HAS_RESIDUAL) { v += f32(z[to]); }
  y[to] = T(activate(v, p.alpha, p.beta));
}

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
        let first = i32(ox * p.stride.z) - p.pad.z;
        if (SLIDING) {
          var v = vec4<f32>(0.0, along(row, first), along(row, first + 1), along(row, first + 2));
          for (var kx = 0u; kx < p.kernel.z; kx++) {
            v = vec4<f32>(v.yzw, along(row, first + 3 + i32(kx)));
            sum += f32(w[w_at + kx]) * v;
          }
        } else {
          for (var kx = 0u; kx < p.kernel.z; kx++) {
            let at = first + i32(kx * p.dilation.z);
            sum += f32(w[w_at + kx]) * vec4<f32>(along(row, at), along(row, at + step),
                                                 along(row, at + 2 * step),
                                                 along(row, at + 3 * step));
          }
        }
      }
      w_at += p.kernel.z;
    }
  }

  let to = line * p.out_dims.z + ox;
  let left = p.out_dims.z - ox;
  store(to, m, sum.x);
  if (left > 1u) { store(to + 1u, m, sum.y); }
  if (left > 2u) { store(to + 2u, m, sum.z); }
  if (left > 3u) { store(to + 3u, m, sum.w); }
}
