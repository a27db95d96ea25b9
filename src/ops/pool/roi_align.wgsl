// RoiAlign: the mean (or largest weighted neighbour) of bilinear samples in each bin of each region.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        [N, C, H, W]
//   2        rois    read        [regions, 4]: x1, y1, x2, y2
//   3        images  read        [regions] int64 (low word first) or int32
//   4        y       read_write  [regions, C, bins high, bins wide]
//
// One invocation computes one bin. Memory traffic: four reads of x per sample, mostly from cache.
// Precision: float32.

// use grid

alias T = f32; // knob: f32 f16
const MAX : bool = false; // knob: true false
const HALF_PIXEL : bool = true; // knob: true false
const WG : u32 = 256u;

struct Params {
  images : u32,    // N
  channels : u32,  //
  height : u32,    // of x
  width : u32,     //
  bins_high : u32, //
  bins_wide : u32, //
  sampling : u32,  // samples per bin and axis; 0: as many as a bin has pixels
  image_words : u32, // per element of images
  n : u32,         // elements of y
  scale : f32,     // from region coordinates to pixels
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> rois : array<T>;
@group(0) @binding(3) var<storage, read> images : array<u32>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

struct Tap {
  low : u32,
  high : u32,
  fraction : f32,
  outside : bool,
}

fn tap(place : f32, extent : u32) -> Tap {
  if (!(place >= -1.0 && place <= f32(extent))) { return Tap(0u, 0u, 0.0, true); }
  let at = max(place, 0.0);
  let low = u32(at);
  if (low >= extent - 1u) { return Tap(extent - 1u, extent - 1u, 0.0, false); }
  return Tap(low, low + 1u, at - f32(low), false);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let column = i % p.bins_wide;
  let row = i / p.bins_wide % p.bins_high;
  let c = i / (p.bins_wide * p.bins_high) % p.channels;
  let r = i / (p.bins_wide * p.bins_high) / p.channels;
  let image = min(images[r * p.image_words], p.images - 1u);
  let shift = select(0.0, 0.5, HALF_PIXEL);
  let left = f32(rois[r * 4u]) * p.scale - shift;
  let top = f32(rois[r * 4u + 1u]) * p.scale - shift;
  var size = vec2<f32>(f32(rois[r * 4u + 2u]) * p.scale - shift - left,
                       f32(rois[r * 4u + 3u]) * p.scale - shift - top);
  if (!HALF_PIXEL) { size = max(size, vec2<f32>(1.0)); }
  let bin = size / vec2<f32>(f32(p.bins_wide), f32(p.bins_high));
  var grid = vec2<u32>(p.sampling);
  // More samples than 2^14 per axis are not a sane region.
  if (p.sampling == 0u) { grid = vec2<u32>(clamp(ceil(bin), vec2<f32>(0.0), vec2<f32>(16384.0))); }
  let base = (image * p.channels + c) * p.height * p.width;
  var sum = 0.0;
  var best = 0.0;
  var any_seen = false;
  for (var iy = 0u; iy < grid.y; iy++) {
    let v = tap(top + f32(row) * bin.y + (f32(iy) + 0.5) * bin.y / f32(grid.y), p.height);
    for (var ix = 0u; ix < grid.x; ix++) {
      let h = tap(left + f32(column) * bin.x + (f32(ix) + 0.5) * bin.x / f32(grid.x), p.width);
      var parts = vec4<f32>();
      if (!v.outside && !h.outside) {
        parts = vec4<f32>(
            (1.0 - v.fraction) * (1.0 - h.fraction) * f32(x[base + v.low * p.width + h.low]),
            (1.0 - v.fraction) * h.fraction * f32(x[base + v.low * p.width + h.high]),
            v.fraction * (1.0 - h.fraction) * f32(x[base + v.high * p.width + h.low]),
            v.fraction * h.fraction * f32(x[base + v.high * p.width + h.high]));
      }
      sum += parts.x + parts.y + parts.z + parts.w;
      let largest = max(max(parts.x, parts.y), max(parts.z, parts.w));
      best = select(max(best, largest), largest, !any_seen);
      any_seen = true;
    }
  }
  let count = max(f32(grid.x) * f32(grid.y), 1.0);
  y[i] = T(select(sum / count, best, MAX));
}
