// Output transform of F(4x4, 3x3) (winograd_input): Y = activation(A^T M A + bias + residual) of every
// tile and output channel.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        m     read        [36, M, pitch]: the sums of products at each point
//   2        bias  read        [M], when HAS_BIAS
//   3        z     read        like y, added before the activation, when HAS_RESIDUAL
//   4        y     read_write  [N, M, H', W']
//
// One invocation makes 4 by 4 elements of one channel; neighbours have neighbouring tiles. Memory
// traffic: 2.25 elements are read for each of y. Precision: float32.

// use grid
// use winograd
// use activation

const HAS_BIAS : bool = false; // knob: true false
const HAS_RESIDUAL : bool = false; // knob: true false

struct Params {
  rows : u32,          // H'
  columns : u32,       // W'
  tile_rows : u32,     // tiles below each other
  tile_columns : u32,  // beside each other
  channels : u32,      // M
  tiles : u32,         // of all images
  pitch : u32,         // tiles, rounded up
  alpha : f32,         // of the activation
  beta : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> m : array<f32>;
@group(0) @binding(2) var<storage, read> bias : array<f32>;
@group(0) @binding(3) var<storage, read> z : array<f32>;
@group(0) @binding(4) var<storage, read_write> y : array<f32>;

// A^T m: row k holds the k-th power of every point; of infinity only the last row has a part.
fn transformed(v : array<f32, 6>) -> array<f32, 4> {
  let sum_a = v[1] + v[2];
  let sum_b = v[3] + v[4];
  let diff_a = A * (v[1] - v[2]);
  let diff_b = B * (v[3] - v[4]);
  return array<f32, 4>(v[0] + sum_a + sum_b, diff_a + diff_b, A2 * sum_a + B2 * sum_b,
                       A2 * diff_a + B2 * diff_b + v[5]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 64u + lid;
  let tile = i % p.pitch;
  let channel = i / p.pitch;
  if (channel >= p.channels || tile >= p.tiles) { return; }
  let step = p.channels * p.pitch;
  // half[j]: column j of the tile, transformed.
  var half : array<array<f32, 4>, 6>;
  for (var j = 0u; j < 6u; j++) {
    half[j] = transformed(array<f32, 6>(m[j * step + i], m[(j + 6u) * step + i],
                                        m[(j + 12u) * step + i], m[(j + 18u) * step + i],
                                        m[(j + 24u) * step + i], m[(j + 30u) * step + i]));
  }
  var add = 0.0;
  if (HAS_BIAS) { add = bias[channel]; }
  let place = tile_place(tile);
  let base = (place.x * p.channels + channel) * p.rows * p.columns;
  for (var k = 0u; k < 4u; k++) {
    if (place.y + k < p.rows) {
      var row = transformed(array<f32, 6>(half[0][k], half[1][k], half[2][k], half[3][k],
                                          half[4][k], half[5][k]));
      for (var j = 0u; j < 4u; j++) {
        if (place.z + j < p.columns) {
          let at = base + (place.y + k) * p.columns + place.z + j;
          var sum = row[j] + add;
          if (HAS_RESIDUAL) { sum += z[at]; }
          y[at] = activate(sum, p.alpha, p.beta);
        }
      }
    }
  }
}
