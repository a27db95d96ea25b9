// y[i] = min(max(x[i], low), high); bounds that are absent don't bind.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        low   read        one element, where HAS_LOW
//   3        high  read        one element, where HAS_HIGH
//   4        y     read_write  n elements
//
// One invocation computes one element; each is read once and written once. Exact. NaN compares
// false and stays.

// use grid

alias T = f32; // knob: f32 f16 i32 u32
const HAS_LOW : bool = true; // knob: true false
const HAS_HIGH : bool = true; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32, // elements
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> low : array<T>;
@group(0) @binding(3) var<storage, read> high : array<T>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var v = x[i];
  if (HAS_LOW) {
    if (v < low[0]) { v = low[0]; }
  }
  if (HAS_HIGH) {
    if (v > high[0]) { v = high[0]; }
  }
  y[i] = v;
}
