// Pads and crops an N-d tensor.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        source
//   2        value  read        the constant, one element; zero when absent
//   3        y      read_write  n elements
//
// One invocation computes one element of y: per axis it finds the index of x that the mode asks
// for. Memory traffic: y is written once, each element of x read about once (padding comes out of
// the cache). MODE: 0 constant, 1 edge, 2 reflect (the edge itself is not repeated), 3 wrap.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const MODE : u32 = 0u; // knob: 0 1 2 3
const AXES : u32 = 8u; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

// Axes are right-aligned: the innermost is the eighth. What cropping leaves of x along an axis is
// low .. low + kept.
struct Params {
  shape : array<vec4<u32>, 2>,  // of y
  stride : array<vec4<u32>, 2>, // of x
  begin : array<vec4<i32>, 2>,  // padding in front, never negative
  low : array<vec4<i32>, 2>,
  kept : array<vec4<i32>, 2>,
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> value : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

// Index in 0 .. n-1 for any `at`; -1 for the constant.
fn source(at : i32, n : i32) -> i32 {
  if (at >= 0 && at < n) { return at; }
  if (MODE == 0u) { return -1; }
  if (MODE == 1u) { return clamp(at, 0, n - 1); }
  var period = n;
  if (MODE == 2u) { period = max(2 * (n - 1), 1); }
  var r = at % period;
  if (r < 0) { r += period; }
  if (MODE == 2u && r >= n) { r = period - r; }
  return r;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var rest = i;
  var index = 0u;
  var outside = false;
  for (var k = 0u; k < AXES; k++) {
    let axis = 7u - k;
    let extent = p.shape[axis / 4u][axis % 4u];
    let at = i32(rest % extent) - p.begin[axis / 4u][axis % 4u];
    rest = rest / extent;
    let from_at = source(at, p.kept[axis / 4u][axis % 4u]);
    outside = outside || from_at < 0;
    index += u32(max(from_at, 0) + p.low[axis / 4u][axis % 4u]) * p.stride[axis / 4u][axis % 4u];
  }
  if (outside) {
    y[i] = value[0];
  } else {
    y[i] = x[index];
  }
}
