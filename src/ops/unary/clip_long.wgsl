// y[i] = min(max(x[i], low), high) of 64-bit integers; bounds that are absent don't bind.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        low   read        one element, where HAS_LOW
//   3        high  read        one element, where HAS_HIGH
//   4        y     read_write  n elements
//
// One invocation computes one element; each is read once and written once. Exact.

// use grid
// use i64

const SIGNED : bool = true; // knob: true false
const HAS_LOW : bool = true; // knob: true false
const HAS_HIGH : bool = true; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32, // elements
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> low : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> high : array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> y : array<vec2<u32>>;

fn above(a : vec2<u32>, b : vec2<u32>) -> bool {
  if (SIGNED) { return i64_less(b, a); }
  return u64_less(b, a);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var v = x[i];
  if (HAS_LOW) {
    if (above(low[0], v)) { v = low[0]; }
  }
  if (HAS_HIGH) {
    if (above(v, high[0])) { v = high[0]; }
  }
  y[i] = v;
}
