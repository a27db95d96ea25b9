// Weights that are not known before the run, brought into the tiles of conv_gemm and conv_narrow.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        w     read        [M, C / groups, kernel]; TRANSPOSED: [C, M / groups, kernel]
//   2        zero  read        [M] or one zero point of integer weights, when HAS_ZERO
//   3        y     read_write  [group][row tile][chunk][BK][TM]
//
// One invocation writes one element of y. Terms are ordered [tap][channel]; each tap is padded to
// whole chunks unless `flat`. Memory traffic: y once, w once, scattered.

// use grid

alias T = f32; // knob: f32 f16 i32 u32
alias Y = f32; // knob: f32 f16 i32
const TRANSPOSED : bool = false; // knob: true false
const HAS_ZERO : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  group_channels : u32, // C / groups
  group_rows : u32,     // M / groups
  taps : u32,           //
  tile_rows : u32,      // TM
  chunk : u32,          // BK
  chunks : u32,         // of one row tile
  tap_chunks : u32,     // of one tap; 0: flat
  row_tiles : u32,      // of one group
  zero_step : u32,      // from one row's zero point to the next: 1, or 0 when there is one
  n : u32,              // elements of y
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> w : array<T>;
@group(0) @binding(2) var<storage, read> zero : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<Y>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let k = i / p.tile_rows % p.chunk;
  let chunk = i / (p.tile_rows * p.chunk) % p.chunks;
  let outer = i / (p.tile_rows * p.chunk) / p.chunks;
  let row = outer % p.row_tiles * p.tile_rows + i % p.tile_rows;
  let g = outer / p.row_tiles;
  var tap = 0u;
  var c = 0u;
  if (p.tap_chunks == 0u) {
    tap = (chunk * p.chunk + k) / p.group_channels;
    c = (chunk * p.chunk + k) % p.group_channels;
  } else {
    tap = chunk / p.tap_chunks;
    c = chunk % p.tap_chunks * p.chunk + k;
  }
  var v = Y(0);
  if (row < p.group_rows && c < p.group_channels && tap < p.taps) {
    let m = g * p.group_rows + row;
    if (TRANSPOSED) {
      v = Y(w[((g * p.group_channels + c) * p.group_rows + row) * p.taps + tap]);
    } else {
      v = Y(w[(m * p.group_channels + c) * p.taps + tap]);
    }
    if (HAS_ZERO) { v -= Y(zero[m * p.zero_step]); }
  }
  y[i] = v;
}
