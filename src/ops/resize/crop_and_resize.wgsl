// CropAndResize: regions of images, bilinearly resized to one size.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        [N, C, H, W]
//   2        rois    read        [regions, 4]: y1, x1, y2, x2, normalized to 0..1
//   3        images  read        [regions] int64 (low word first) or int32
//   4        y       read_write  [regions, C, H', W']
//
// One invocation computes one element. Memory traffic: four reads of x per element, mostly from
// cache; y once. Precision: float32 inside.

// use grid

alias T = f32; // knob: f32 f16
const WG : u32 = 256u;

struct Params {
  images : u32,      // N
  channels : u32,    //
  height : u32,      // of x
  width : u32,       //
  out_height : u32,  //
  out_width : u32,   //
  image_words : u32, // per element of images
  n : u32,           // elements of y
  extrapolation : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> rois : array<T>;
@group(0) @binding(3) var<storage, read> images : array<u32>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

// The place of position i between the normalized ends of the region.
fn coordinate(start : f32, end : f32, i : u32, count : u32, extent : u32) -> f32 {
  let top = f32(extent - 1u);
  if (count <= 1u) { return 0.5 * (start + end) * top; }
  return start * top + f32(i) * (end - start) * top / f32(count - 1u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let column = i % p.out_width;
  let row = i / p.out_width % p.out_height;
  let c = i / (p.out_width * p.out_height) % p.channels;
  let r = i / (p.out_width * p.out_height) / p.channels;
  let image = min(images[r * p.image_words], p.images - 1u);
  let v = coordinate(f32(rois[r * 4u]), f32(rois[r * 4u + 2u]), row, p.out_height, p.height);
  let h = coordinate(f32(rois[r * 4u + 1u]), f32(rois[r * 4u + 3u]), column, p.out_width, p.width);
  var value = p.extrapolation;
  if (v >= 0.0 && v <= f32(p.height - 1u) && h >= 0.0 && h <= f32(p.width - 1u)) {
    let base = (image * p.channels + c) * p.height * p.width;
    let top = u32(v);
    let left = u32(h);
    let bottom = min(top + 1u, p.height - 1u);
    let right = min(left + 1u, p.width - 1u);
    let fy = v - f32(top);
    let fx = h - f32(left);
    let above = f32(x[base + top * p.width + left]) * (1.0 - fx) +
                f32(x[base + top * p.width + right]) * fx;
    let below = f32(x[base + bottom * p.width + left]) * (1.0 - fx) +
                f32(x[base + bottom * p.width + right]) * fx;
    value = above * (1.0 - fy) + below * fy;
  }
  y[i] = T(value);
}
