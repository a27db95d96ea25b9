// GridSample: x sampled at the places that a grid names, in up to three spatial axes.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        [N, C, D, H, W]
//   2        places  read        [N, positions, RANK], innermost axis first, normalized to -1..1
//   3        y       read_write  [N, C, positions]
//
// One invocation computes one position of CHANNELS channels: taps and weights are found once for
// them. Memory traffic: taps^RANK reads of x per element, mostly from cache; y once. Precision:
// float32 inside.

// use grid

alias T = f32; // knob: f32 f16
alias G = f32; // knob: f32 f16
const RANK : u32 = 2u; // knob: 1 2 3
const MODE : u32 = 1u; // knob: 0 1 2
const PADDING : u32 = 0u; // knob: 0 1 2
const ALIGN : bool = false; // knob: true false
const CHANNELS : u32 = 4u;
const WG : u32 = 256u;
const NEAREST : u32 = 0u;
const LINEAR : u32 = 1u;
const CUBIC : u32 = 2u;
const ZEROS : u32 = 0u;
const BORDER : u32 = 1u;
const REFLECTION : u32 = 2u;

struct Params {
  in_dims : vec4<u32>, // D, H, W of x, and their product
  channels : u32,      // C
  positions : u32,     // of one image
  blocks : u32,        // of CHANNELS channels
  n : u32,             // images * blocks * positions
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> places : array<G>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

struct Taps {
  index : vec4<i32>, // negative: outside, worth nothing
  weight : vec4<f32>,
}

// Keys' kernel with a = -3/4.
fn cubic(v : f32) -> f32 {
  let a = -0.75;
  let d = abs(v);
  if (d <= 1.0) { return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0; }
  if (d < 2.0) { return ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a; }
  return 0.0;
}

// Folds v back into [low, high] at the borders, as often as it takes.
fn reflect_into(v : f32, low : f32, high : f32) -> f32 {
  let range = high - low;
  if (range <= 0.0) { return low; }
  let below = v < low;
  if (!below && v <= high) { return v; }
  let beyond = select(v - high, low - v, below);
  let turns = floor(beyond / range);
  let rest = beyond - turns * range;
  let even = turns - 2.0 * floor(turns * 0.5) == 0.0;
  return select(high - rest, low + rest, even == below);
}

fn axis_taps(extent : u32, place : f32) -> Taps {
  let size = f32(extent);
  let low = select(-0.5, 0.0, ALIGN);
  let high = select(size - 0.5, size - 1.0, ALIGN);
  var v = select(((place + 1.0) * size - 1.0) / 2.0, (place + 1.0) / 2.0 * (size - 1.0), ALIGN);
  // Keeps what is far outside convertible to an integer.
  v = clamp(v, -1.0e9, 1.0e9);
  if (MODE == NEAREST) { v = round(v); }
  if (v < low || v > high) {
    if (PADDING == BORDER && MODE != CUBIC) { v = clamp(v, 0.0, size - 1.0); }
    if (PADDING == REFLECTION) { v = reflect_into(v, low, high); }
  }
  let below = floor(v);
  let fraction = v - below;
  var first = i32(below);
  var taps = Taps(vec4<i32>(), vec4<f32>());
  if (MODE == NEAREST) {
    first = i32(v);
    taps.weight.x = 1.0;
  } else if (MODE == LINEAR) {
    taps.weight = vec4<f32>(1.0 - fraction, fraction, 0.0, 0.0);
  } else {
    first -= 1;
    taps.weight = vec4<f32>(cubic(fraction + 1.0), cubic(fraction), cubic(fraction - 1.0),
                            cubic(fraction - 2.0));
  }
  let top = i32(extent) - 1;
  for (var i = 0; i < 4; i++) {
    var at = first + i;
    if (at < 0 || at > top) {
      if (PADDING == ZEROS) {
        at = -1;
      } else if (PADDING == REFLECTION) {
        at = clamp(i32(reflect_into(f32(at), low, high)), 0, top);
      } else {
        at = clamp(at, 0, top);
      }
    }
    taps.index[i] = at;
  }
  return taps;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let position = i % p.positions;
  let block = i / p.positions % p.blocks;
  let image = i / p.positions / p.blocks;
  let at = (image * p.positions + position) * RANK;
  let count = select(select(4u, 2u, MODE == LINEAR), 1u, MODE == NEAREST);

  // An axis that is not there has the one tap 0.
  var planes = Taps(vec4<i32>(), vec4<f32>(1.0, 0.0, 0.0, 0.0));
  var rows = planes;
  let columns = axis_taps(p.in_dims.z, f32(places[at]));
  if (RANK > 1u) { rows = axis_taps(p.in_dims.y, f32(places[at + 1u])); }
  if (RANK > 2u) { planes = axis_taps(p.in_dims.x, f32(places[at + 2u])); }
  let row_count = select(1u, count, RANK > 1u);
  let plane_count = select(1u, count, RANK > 2u);

  var sum = vec4<f32>();
  let first = block * CHANNELS;
  let base = (image * p.channels + first) * p.in_dims.w;
  let left = p.channels - first;
  for (var kz = 0u; kz < plane_count; kz++) {
    for (var ky = 0u; ky < row_count; ky++) {
      if (planes.index[kz] < 0 || rows.index[ky] < 0) { continue; }
      let row = base + (u32(planes.index[kz]) * p.in_dims.y + u32(rows.index[ky])) * p.in_dims.z;
      for (var kx = 0u; kx < count; kx++) {
        let weight = planes.weight[kz] * rows.weight[ky] * columns.weight[kx];
        if (columns.index[kx] < 0 || weight == 0.0) { continue; }
        let from_at = row + u32(columns.index[kx]);
        sum.x += weight * f32(x[from_at]);
        if (left > 1u) { sum.y += weight * f32(x[from_at + p.in_dims.w]); }
        if (left > 2u) { sum.z += weight * f32(x[from_at + 2u * p.in_dims.w]); }
        if (left > 3u) { sum.w += weight * f32(x[from_at + 3u * p.in_dims.w]); }
      }
    }
  }
  for (var c = 0u; c < CHANNELS; c++) {
    if (c >= left) { break; }
    y[(image * p.channels + first + c) * p.positions + position] = T(sum[c]);
  }
}
