// One axis of a separable resize: every element of y is a weighted sum of `taps` elements of x
// along that axis.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        x        read        [outer, in, inner]
//   2        indices  read        [out, taps] positions in x
//   3        weights  read        [out, taps]
//   4        y        read_write  [outer, out, inner]
//
// One invocation computes one element. Memory traffic: x `taps` times, mostly from cache; y once.
// Precision: float32 inside; integers are rounded to nearest even and saturate.

// use grid

alias T = f32; // knob: f32 f16 i32 u32
alias Y = f32; // knob: f32 f16 i32 u32
const INTEGER : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  in_extent : u32,  //
  out_extent : u32, //
  inner : u32,      // elements of one step along the axis
  taps : u32,       //
  n : u32,          // elements of y
  low : f32,        // bounds of an integer Y
  high : f32,       //
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> indices : array<u32>;
@group(0) @binding(3) var<storage, read> weights : array<f32>;
@group(0) @binding(4) var<storage, read_write> y : array<Y>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let o = i / p.inner % p.out_extent;
  let base = i / p.inner / p.out_extent * p.in_extent * p.inner + i % p.inner;
  var sum = 0.0;
  for (var t = 0u; t < p.taps; t++) {
    let entry = o * p.taps + t;
    let weight = weights[entry];
    // A weight of 0 stands for a place outside: what lies at its index must not matter.
    if (weight != 0.0) { sum += weight * f32(x[base + indices[entry] * p.inner]); }
  }
  if (INTEGER) {
    y[i] = Y(i32(clamp(round(sum), p.low, p.high)));
  } else {
    y[i] = Y(sum);
  }
}
