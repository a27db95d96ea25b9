// Input transform of F(4x4, 3x3), Winograd's convolution with 36 products for 16 outputs:
// V = B^T d B of every tile and channel, at the points of lib/winograd.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [N, C, H, W]
//   2        v     read_write  [36, C, pitch]: point, channel, tile
//
// A tile is 6 by 6 elements that begin 4 apart. One invocation transforms one tile of one channel;
// neighbours have neighbouring tiles. Memory traffic: x is read 2.25 times, from the cache but for
// the first, and 2.25 elements are written for each. Tiles beyond the last one, up to the pitch, are
// zero. Precision: float32.

// use grid
// use winograd

struct Params {
  rows : u32,          // H
  columns : u32,       // W
  pad_y : i32,         // in front
  pad_x : i32,
  tile_rows : u32,     // tiles below each other
  tile_columns : u32,  // beside each other
  channels : u32,
  tiles : u32,         // of all images
  pitch : u32,         // tiles, rounded up
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<f32>;
@group(0) @binding(2) var<storage, read_write> v : array<f32>;

// B^T d: row t holds the coefficients of the product of (s - y) over all points y but t.
fn transformed(d : array<f32, 6>) -> array<f32, 6> {
  let even_a = d[4] - B2 * d[2];
  let odd_a = A * (d[3] - B2 * d[1]);
  let even_b = d[4] - A2 * d[2];
  let odd_b = B * (d[3] - A2 * d[1]);
  return array<f32, 6>(A2 * B2 * d[0] + (d[4] - (A2 + B2) * d[2]), even_a + odd_a, even_a - odd_a,
                       even_b + odd_b, even_b - odd_b,
                       A2 * B2 * d[1] + (d[5] - (A2 + B2) * d[3]));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 64u + lid;
  if (i >= p.channels * p.pitch) { return; }
  let tile = i % p.pitch;
  let channel = i / p.pitch;
  let place = tile_place(tile);
  let y0 = i32(place.y) - p.pad_y;
  let x0 = i32(place.z) - p.pad_x;
  let base = (place.x * p.channels + channel) * p.rows * p.columns;
  // half[j]: column j of the tile, transformed.
  var half : array<array<f32, 6>, 6>;
  for (var j = 0; j < 6; j++) {
    var d : array<f32, 6>;
    for (var k = 0; k < 6; k++) {
      let row = u32(y0 + k); // negative places are huge ones
      let column = u32(x0 + j);
      let inside = tile < p.tiles && row < p.rows && column < p.columns;
      d[k] = select(0.0, x[select(0u, base + row * p.columns + column, inside)], inside);
    }
    half[j] = transformed(d);
  }
  let step = p.channels * p.pitch;
  for (var k = 0u; k < 6u; k++) {
    var row = transformed(array<f32, 6>(half[0][k], half[1][k], half[2][k], half[3][k], half[4][k],
                                        half[5][k]));
    for (var j = 0u; j < 6u; j++) { v[(k * 6u + j) * step + i] = row[j]; }
  }
}
