// Col2Im: every element of the image sums the block elements that were taken from its place.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [N, C * taps, blocks]
//   2        y     read_write  [N, C, spatial...]
//
// One invocation computes one element of y from all taps that meet it. Memory traffic: x once, y
// once. Precision: float32 inside.

// use grid

alias T = f32; // knob: f32 f16
const RANK : u32 = 2u; // knob: any
const WG : u32 = 256u;

struct Params {
  image : array<vec4<u32>, 2>,    // spatial extents of y, the last at index 7, ones in front
  blocks : array<vec4<u32>, 2>,   // window positions per axis
  kernel : array<vec4<u32>, 2>,   //
  stride : array<vec4<u32>, 2>,   //
  dilation : array<vec4<u32>, 2>, //
  pad : array<vec4<i32>, 2>,      // in front
  elems : u32,                    // products of the first three
  block_count : u32,              //
  taps : u32,                     //
  n : u32,                        // elements of y
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let plane = i / p.elems;
  var sum = 0.0;
  for (var tap = 0u; tap < p.taps; tap++) {
    var rest = i % p.elems;
    var k = tap;
    var at = 0u;
    var step = 1u;
    var inside = true;
    for (var axis = 8u; axis > 8u - RANK; axis--) {
      let a = (axis - 1u) / 4u;
      let b = (axis - 1u) % 4u;
      let t = i32(rest % p.image[a][b]) + p.pad[a][b] - i32(k % p.kernel[a][b] * p.dilation[a][b]);
      rest /= p.image[a][b];
      k /= p.kernel[a][b];
      let s = i32(p.stride[a][b]);
      inside = inside && t >= 0 && t % s == 0 && u32(t / s) < p.blocks[a][b];
      at += u32(t / s) * step;
      step *= p.blocks[a][b];
    }
    if (inside) { sum += f32(x[(plane * p.taps + tap) * p.block_count + at]); }
  }
  y[i] = T(sum);
}
