// Convolution and transposed convolution of any spatial rank up to 8, by the definition.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [N, C, spatial...]
//   2        w     read        [M, C / groups, kernel...]; TRANSPOSED: [C, M / groups, kernel...]
//   3        bias  read        [M], when HAS_BIAS
//   4        z     read        like y, added before the activation, when HAS_RESIDUAL
//   5        y     read_write  [N, M, spatial...]
//
// One invocation computes one element: it walks over all taps and the channels of its group.
// Memory traffic: two reads per product. Precision: float32 inside, whatever T is.

// use cut_grid
// use activation

alias T = f32; // knob: f32 f16
const TRANSPOSED : bool = false; // knob: true false
const HAS_BIAS : bool = false; // knob: true false
const HAS_RESIDUAL : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  in_dims : array<vec4<u32>, 2>,  // spatial extents of x, the last at index 7, ones in front
  out_dims : array<vec4<u32>, 2>, // the same of y
  kernel : array<vec4<u32>, 2>,   //
  stride : array<vec4<u32>, 2>,   //
  dilation : array<vec4<u32>, 2>, //
  pad : array<vec4<i32>, 2>,      // in front
  in_elems : u32,                 // products of the above
  out_elems : u32,                //
  taps : u32,                     //
  channels : u32,                 // C
  group_channels : u32,           // C / groups
  rows : u32,                     // M
  group_rows : u32,               // M / groups
  n : u32,                        // elements of y
  alpha : f32,                    // of the activation
  beta : f32,                     //
  first_workgroup : u32,          // of the piece at hand
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
  let m = i / p.out_elems % p.rows;
  let image = i / p.out_elems / p.rows;
  let g = m / p.group_rows;
  let base = (image * p.channels + g * p.group_channels) * p.in_elems;

  var sum = 0.0;
  for (var tap = 0u; tap < p.taps; tap++) {
    // From the innermost axis outwards: the tap's place in x.
    var o = i % p.out_elems;
    var k = tap;
    var at = 0u;
    var stride_of = 1u;
    var inside = true;
    for (var axis = 8u; axis > 0u; axis--) {
      let a = (axis - 1u) / 4u;
      let b = (axis - 1u) % 4u;
      let reach = i32(k % p.kernel[a][b] * p.dilation[a][b]);
      let position = i32(o % p.out_dims[a][b]);
      k /= p.kernel[a][b];
      o /= p.out_dims[a][b];
      let step = i32(p.stride[a][b]);
      var place = 0;
      if (TRANSPOSED) {
        let t = position + p.pad[a][b] - reach;
        inside = inside && t >= 0 && t % step == 0;
        place = t / step;
      } else {
        place = position * step - p.pad[a][b] + reach;
      }
      inside = inside && place >= 0 && u32(place) < p.in_dims[a][b];
      at += u32(place) * stride_of;
      stride_of *= p.in_dims[a][b];
    }
    if (!inside) { continue; }
    for (var c = 0u; c < p.group_channels; c++) {
      var w_at = (m * p.group_channels + c) * p.taps + tap;
      if (TRANSPOSED) {
        w_at = ((g * p.group_channels + c) * p.group_rows + m % p.group_rows) * p.taps + tap;
      }
      sum += f32(w[w_at]) * f32(x[base + c * p.in_elems + at]);
    }
  }
  if (HAS_BIAS) { sum += f32(bias[m]); }
  if (HAS_RESIDUAL) { sum += f32(z[i]); }
  y[i] = T(activate(sum, p.alpha, p.beta));
}
