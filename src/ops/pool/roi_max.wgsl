// MaxRoiPool: the largest element of each bin of each region.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [N, C, H, W]
//   2        rois  read        [regions, 5]: image, x1, y1, x2, y2
//   3        y     read_write  [regions, C, bins high, bins wide]
//
// One invocation computes one bin. Memory traffic: the bin's part of x. Precision: float32.

// use grid

alias T = f32; // knob: f32 f16
const WG : u32 = 256u;

struct Params {
  images : u32,    // N
  channels : u32,  //
  height : u32,    // of x
  width : u32,     //
  bins_high : u32, //
  bins_wide : u32, //
  n : u32,         // elements of y
  scale : f32,     // from region coordinates to pixels
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> rois : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

// Rounds halves away from zero.
fn pixel(v : f32) -> f32 {
  let scaled = v * p.scale;
  return select(-floor(0.5 - scaled), floor(scaled + 0.5), scaled >= 0.0);
}

// The pixels [first, last) of bin i, cut to the image.
fn bin(i : u32, size : f32, start : f32, limit : u32) -> vec2<u32> {
  let low = floor(f32(i) * size) + start;
  let high = ceil(f32(i + 1u) * size) + start;
  return vec2<u32>(u32(clamp(low, 0.0, f32(limit))), u32(clamp(high, 0.0, f32(limit))));
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
  let image = clamp(f32(rois[r * 5u]), 0.0, f32(p.images - 1u));
  let left = pixel(f32(rois[r * 5u + 1u]));
  let top = pixel(f32(rois[r * 5u + 2u]));
  let right = pixel(f32(rois[r * 5u + 3u]));
  let bottom = pixel(f32(rois[r * 5u + 4u]));
  let rows = bin(row, max(bottom - top + 1.0, 1.0) / f32(p.bins_high), top, p.height);
  let columns = bin(column, max(right - left + 1.0, 1.0) / f32(p.bins_wide), left, p.width);
  let base = (u32(image) * p.channels + c) * p.height * p.width;
  var best = 0.0;
  var any_seen = false;
  for (var h = rows.x; h < rows.y; h++) {
    for (var w = columns.x; w < columns.y; w++) {
      let v = f32(x[base + h * p.width + w]);
      if (!any_seen || v > best) { best = v; }
      any_seen = true;
    }
  }
  y[i] = T(best);
}
