// MaxPool, AveragePool, LpPool and the quantized average over windows of up to three spatial axes.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        x        read        [N, C, D, H, W], or [N, D, H, W, C] by the strides
//   2        y        read_write  the same with D', H', W'
//   3        indices  read_write  like y, int64 as (low, high), when HAS_INDICES
//
// One invocation computes one element of y. Memory traffic: x once per window that sees it, mostly
// from cache; y once. Precision: float32 inside whatever T is; integers are compared as such. The
// quantized average sums (x - zero) * scale in float32 and rounds halves to even.

// use cut_grid
// use places

alias T = f32; // knob: f32 f16 i32 u32
const OP : u32 = 0u; // knob: 0 1 2 3
const COUNT_PADDING : bool = false; // knob: true false
const HAS_INDICES : bool = false; // knob: true false
const COLUMN_MAJOR : bool = false; // knob: true false
const WG : u32 = 256u;
const MAX : u32 = 0u;
const AVERAGE : u32 = 1u;
const LP : u32 = 2u;
const QUANTIZED : u32 = 3u;

struct Params {
  in_dims : vec4<u32>,  // D, H, W of x, and their product
  out_dims : vec4<u32>, // the same of y
  kernel : vec4<u32>,   // extents
  stride : vec4<u32>,   //
  dilation : vec4<u32>, //
  pad : vec4<i32>,      // in front
  pad_end : vec4<i32>,  // behind
  channels : u32,       //
  channel_step : u32,   // elements from one channel's place to the same of the next: x
  place_step : u32,     // elements from one place to the next: 1, or the channels
  n : u32,              // elements of y
  power : f32,          // LpPool's p
  nothing : f32,        // the maximum of no elements
  x_scale : f32,        // quantized
  y_scale : f32,        //
  x_zero : f32,         //
  y_zero : f32,         //
  y_low : f32,          //
  y_high : f32,         //
  first_workgroup : u32, // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;
@group(0) @binding(3) var<storage, read_write> indices : array<vec2<u32>>;

fn ceil_div(a : i32, b : i32) -> i32 {
  return select(a / b, (a + b - 1) / b, a > 0);
}

// |v|^p; p is positive, so nothing to the power is nothing.
fn lp_term(v : f32) -> f32 {
  let a = abs(v);
  if (p.power == 2.0) { return a * a; }
  if (p.power == 1.0) { return a; }
  return select(pow(a, p.power), 0.0, a == 0.0);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  // y has x's order: either places are innermost or channels are.
  var o = i % p.out_dims.w;
  var plane = i / p.out_dims.w; // image * C + c
  if (p.place_step != 1u) {
    let image = i / (p.channels * p.out_dims.w);
    o = i / p.channels % p.out_dims.w;
    plane = image * p.channels + i % p.channels;
  }
  let at = vec3<i32>(unflatten(o, p.out_dims) * p.stride.xyz) - p.pad.xyz;
  let limit = vec3<i32>(p.in_dims.xyz);
  let step = vec3<i32>(p.dilation.xyz);
  let kernel = vec3<i32>(p.kernel.xyz);
  // The taps [first, last) inside the image, and those inside the image or its padding.
  var first = vec3<i32>();
  var last = vec3<i32>();
  var padded = 1.0;
  for (var axis = 0u; axis < 3u; axis++) {
    first[axis] = clamp(ceil_div(-at[axis], step[axis]), 0, kernel[axis]);
    last[axis] = clamp(ceil_div(limit[axis] - at[axis], step[axis]), first[axis], kernel[axis]);
    padded *= f32(clamp(ceil_div(limit[axis] + p.pad_end[axis] - at[axis], step[axis]), 0,
                        kernel[axis]));
  }
  let image_base = plane / p.channels * p.channels * p.in_dims.w;
  let base = image_base + plane % p.channels * p.channel_step;

  var best = T();
  var best_at = -1;
  var sum = 0.0;
  for (var kz = first.x; kz < last.x; kz++) {
    for (var ky = first.y; ky < last.y; ky++) {
      let row = ((at.x + kz * step.x) * limit.y + at.y + ky * step.y) * limit.z;
      for (var kx = first.z; kx < last.z; kx++) {
        let place = row + at.z + kx * step.z;
        let v = x[base + u32(place) * p.place_step];
        if (OP == MAX) {
          if (best_at < 0 || v > best) {
            best = v;
            best_at = place;
          }
        } else if (OP == LP) {
          sum += lp_term(f32(v));
        } else if (OP == QUANTIZED) {
          sum += (f32(v) - p.x_zero) * p.x_scale;
        } else {
          sum += f32(v);
        }
      }
    }
  }
  let inside = last - first;
  let seen = f32(inside.x) * f32(inside.y) * f32(inside.z);
  let count = select(seen, padded, COUNT_PADDING);
  if (OP == MAX) {
    if (best_at < 0) { best = T(p.nothing); }
    y[i] = best;
    if (HAS_INDICES) {
      if (best_at < 0) {
        indices[i] = vec2<u32>(0xffffffffu);
      } else {
        var place = u32(best_at);
        if (COLUMN_MAJOR) {
          let z = place / (p.in_dims.y * p.in_dims.z);
          place = (place % p.in_dims.z * p.in_dims.y + place / p.in_dims.z % p.in_dims.y) *
                  p.in_dims.x + z;
        }
        indices[i] = vec2<u32>(plane * p.in_dims.w + place, 0u);
      }
    }
  } else if (OP == LP) {
    if (p.power == 2.0) {
      y[i] = T(sqrt(sum));
    } else {
      y[i] = T(select(pow(sum, 1.0 / p.power), 0.0, sum == 0.0));
    }
  } else {
    let mean = select(0.0, sum / max(count, 1.0), count > 0.0);
    if (OP == QUANTIZED) {
      y[i] = T(i32(clamp(round(mean / p.y_scale) + p.y_zero, p.y_low, p.y_high)));
    } else {
      y[i] = T(mean);
    }
  }
}
