// Global pooling: one number per channel from all of its places.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [N, C, places], or [N, places, C] by the strides
//   2        y     read_write  [N, C]
//
// One workgroup reduces one channel: strided partial results, then a tree in workgroup memory.
// Memory traffic: x once. Precision: float32 whatever T is; partial sums keep the error small. The
// quantized average sums (x - zero) * scale and rounds halves to even.

// use grid

alias T = f32; // knob: f32 f16 i32 u32
const OP : u32 = 0u; // knob: 0 1 2 3
const WG : u32 = 256u;
const MAX : u32 = 0u;
const AVERAGE : u32 = 1u;
const LP : u32 = 2u;
const QUANTIZED : u32 = 3u;

struct Params {
  planes : u32,       // N * C
  channels : u32,     //
  places : u32,       // of one channel
  channel_step : u32, // elements from one channel to the next
  place_step : u32,   // elements from one place to the next
  power : f32,        // GlobalLpPool's p
  nothing : f32,      // the maximum of no elements
  x_scale : f32,      // quantized
  y_scale : f32,      //
  x_zero : f32,       //
  y_zero : f32,       //
  y_low : f32,        //
  y_high : f32,       //
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

var<workgroup> partial : array<f32, WG>;

fn lp_term(v : f32) -> f32 {
  let a = abs(v);
  if (p.power == 2.0) { return a * a; }
  if (p.power == 1.0) { return a; }
  return select(pow(a, p.power), 0.0, a == 0.0);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let plane = workgroup_index(wid, nwg);
  if (plane >= p.planes) { return; }
  let base = plane / p.channels * p.channels * p.places + plane % p.channels * p.channel_step;
  // A maximum starts from a real element: infinities and all.
  var value = 0.0;
  if (OP == MAX && p.places > 0u) { value = f32(x[base]); }
  for (var i = lid; i < p.places; i += WG) {
    let v = f32(x[base + i * p.place_step]);
    if (OP == MAX) {
      value = max(value, v);
    } else if (OP == LP) {
      value += lp_term(v);
    } else if (OP == QUANTIZED) {
      value += (v - p.x_zero) * p.x_scale;
    } else {
      value += v;
    }
  }
  partial[lid] = value;
  workgroupBarrier();
  for (var width = WG / 2u; width > 0u; width /= 2u) {
    if (lid < width) {
      if (OP == MAX) {
        partial[lid] = max(partial[lid], partial[lid + width]);
      } else {
        partial[lid] += partial[lid + width];
      }
    }
    workgroupBarrier();
  }
  if (lid != 0u) { return; }
  let whole = partial[0];
  if (OP == MAX) {
    y[plane] = T(select(p.nothing, whole, p.places > 0u));
  } else if (OP == LP) {
    if (p.power == 2.0) {
      y[plane] = T(sqrt(whole));
    } else {
      y[plane] = T(select(pow(whole, 1.0 / p.power), 0.0, whole == 0.0));
    }
  } else {
    let mean = whole / max(f32(p.places), 1.0);
    if (OP == QUANTIZED) {
      y[plane] = T(i32(clamp(round(mean / p.y_scale) + p.y_zero, p.y_low, p.y_high)));
    } else {
      y[plane] = T(mean);
    }
  }
}
