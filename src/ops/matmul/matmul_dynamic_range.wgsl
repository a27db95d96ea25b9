// The smallest and the largest of n floats and 0, and from them scale and zero point of a uint8
// quantization (DynamicQuantizeLinear's).
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        n elements
//   2        scale  read_write  1 element
//   3        zero   read_write  1 element
//
// One workgroup does it all; an invocation takes every 256th element. Memory traffic: x is read
// once. Precision: float32; the zero point is rounded to the nearest, ties to even.

alias T = f32; // knob: f32 f16

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> scale : array<f32>;
@group(0) @binding(3) var<storage, read_write> zero : array<i32>;

var<workgroup> low : array<f32, 256>;
var<workgroup> high : array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(local_invocation_index) lid : u32) {
  if (wid.x + wid.y + wid.z > 0u) { return; }
  var least = 0.0;
  var most = 0.0;
  for (var i = lid; i < p.n; i += 256u) {
    let v = f32(x[i]);
    least = min(least, v);
    most = max(most, v);
  }
  low[lid] = least;
  high[lid] = most;
  for (var s = 128u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (lid < s) {
      low[lid] = min(low[lid], low[lid + s]);
      high[lid] = max(high[lid], high[lid + s]);
    }
  }
  if (lid != 0u) { return; }
  let range = high[0] - low[0];
  let found = select(range / 255.0, 1.0, range == 0.0);
  scale[0] = found;
  zero[0] = i32(clamp(round(-low[0] / found), 0.0, 255.0));
}
