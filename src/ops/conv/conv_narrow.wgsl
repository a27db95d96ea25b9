// Convolution and transposed convolution for few output channels per group, where a matrix tile
// would be mostly padding.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        [N, C, D, H, W]
//   2        w       read        [group][row tile of 4][tap][channel], four rows per element
//   3        bias    read        [M], when HAS_BIAS
//   4        z       read        like y, added before the activation, when HAS_RESIDUAL
//   5        factor  read        [M], when QUANT: x_scale * w_scale / y_scale
//   6        zero    read        x's zero point, when RUN_ZERO: one that only the run knows
//   7        y       read_write  [N, M, D', H', W']
//
// One invocation computes four rows (output channels) of one output position, or, when SLIDING
// (stride and dilation 1 along the row), of four neighbours, which share most of their elements of x
// and all weights. Neighbouring invocations compute neighbouring positions, so x is read coalesced,
// and the weights are the same for a whole workgroup. Memory traffic: x is read once per tap, mostly
// from cache; y written once.
// Precision: products and sums in A: float32 whatever T is, or exact int32.

// use cut_grid
// use places
// use conv_store

alias T = f32; // knob: f32 f16 i32 u32
alias W = f32; // knob: f32 f16 i32
alias B = f32; // knob: f32 f16 i32
alias A = f32; // knob: f32 i32
alias Y = f32; // knob: f32 f16 i32 u32
const TRANSPOSED : bool = false; // knob: true false
const SLIDING : bool = false; // knob: true false
const INTEGER : bool = false; // knob: true false
const RUN_ZERO : bool = false; // knob: true false
const QUANT : bool = false; // knob: true false
const HAS_BIAS : bool = false; // knob: true false
const HAS_RESIDUAL : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  in_dims : vec4<u32>,   // D, H, W of x, and their product
  out_dims : vec4<u32>,  // the same of y
  kernel : vec4<u32>,    // extents, and their product
  stride : vec4<u32>,    //
  dilation : vec4<u32>,  //
  pad : vec4<i32>,       // in front
  channels : u32,        // C
  group_channels : u32,  // C / groups
  rows : u32,            // M
  group_rows : u32,      // M / groups
  row_blocks : u32,      // invocations per output line: its length, or a fourth of it
  positions : u32,       // invocations per row tile, for all images
  blocks : u32,          // workgroups per row tile
  row_tiles : u32,       // of one group
  tiles : u32,           // workgroups that have work
  x_zero : i32,          // zero points
  y_zero : i32,          //
  y_low : i32,           // bounds of y's dtype
  y_high : i32,          //
  alpha : f32,           // of the activation
  beta : f32,            //
  first_workgroup : u32, // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> w : array<vec4<W>>;
@group(0) @binding(3) var<storage, read> bias : array<B>;
@group(0) @binding(4) var<storage, read> z : array<Y>;
@group(0) @binding(5) var<storage, read> factor : array<f32>;
@group(0) @binding(6) var<storage, read> zero : array<T>;
@group(0) @binding(7) var<storage, read_write> y : array<Y>;

var<private> x_zero : A;

fn load(i : u32) -> A {
  if (INTEGER) { return A(x[i]) - x_zero; }
  return A(x[i]);
}

// The place in x that tap k of output position o reads; negative (huge) when there is none.
fn place(o : vec3<u32>, k : vec3<u32>) -> vec3<u32> {
  let reach = vec3<i32>(k * p.dilation.xyz);
  if (TRANSPOSED) {
    let t = vec3<i32>(o) + p.pad.xyz - reach;
    let s = vec3<i32>(p.stride.xyz);
    if (any(t < vec3<i32>(0)) || any(t % s != vec3<i32>(0))) { return vec3<u32>(0xffffffffu); }
    return vec3<u32>(t / s);
  }
  return vec3<u32>(vec3<i32>(o * p.stride.xyz) - p.pad.xyz + reach);
}

fn store_row(image : u32, g : u32, row : u32, flat : u32, sum : A) {
  if (row >= p.group_rows) { return; }
  let m = g * p.group_rows + row;
  conv_store((image * p.rows + m) * p.out_dims.w + flat, m, sum);
}

fn store(image : u32, g : u32, row : u32, flat : u32, sums : vec4<A>) {
  store_row(image, g, row, flat, sums.x);
  store_row(image, g, row + 1u, flat, sums.y);
  store_row(image, g, row + 2u, flat, sums.z);
  store_row(image, g, row + 3u, flat, sums.w);
}

// Element `at` of the line of x that starts at `line`; nothing outside.
fn along(line : u32, at : i32) -> A {
  if (u32(at) >= p.in_dims.z) { return A(); }
  return load(u32(i32(line) + at));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let tile = workgroup_index(wid, nwg);
  if (tile >= p.tiles) { return; }
  if (INTEGER) {
    x_zero = A(p.x_zero);
    if (RUN_ZERO) { x_zero = A(zero[0]); }
  }
  let n = (tile % p.blocks) * WG + lid;
  if (n >= p.positions) { return; }
  let row_tile = (tile / p.blocks) % p.row_tiles;
  let g = tile / p.blocks / p.row_tiles;
  let line = n / p.row_blocks; // of all output lines
  let ox = (n % p.row_blocks) * select(1u, 4u, SLIDING);
  let oy = line % p.out_dims.y;
  let oz = line / p.out_dims.y % p.out_dims.x;
  let image = line / (p.out_dims.x * p.out_dims.y);
  let flat = (oz * p.out_dims.y + oy) * p.out_dims.z + ox;
  let base = (image * p.channels + g * p.group_channels) * p.in_dims.w;
  let w_base = (g * p.row_tiles + row_tile) * p.kernel.w * p.group_channels;

  var s0 = vec4<A>();
  var s1 = vec4<A>();
  var s2 = vec4<A>();
  var s3 = vec4<A>();
  for (var kz = 0u; kz < p.kernel.x; kz++) {
    for (var ky = 0u; ky < p.kernel.y; ky++) {
      let w_line = w_base + (kz * p.kernel.y + ky) * p.kernel.z * p.group_channels;
      if (SLIDING) {
        let at = place(vec3<u32>(oz, oy, 0u), vec3<u32>(kz, ky, 0u));
        if (at.x >= p.in_dims.x || at.y >= p.in_dims.y) { continue; }
        let first = i32(ox) - p.pad.z;
        for (var c = 0u; c < p.group_channels; c++) {
          let x_line = base + c * p.in_dims.w + (at.x * p.in_dims.y + at.y) * p.in_dims.z;
          var v0 = along(x_line, first);
          var v1 = along(x_line, first + 1);
          var v2 = along(x_line, first + 2);
          for (var kx = 0u; kx < p.kernel.z; kx++) {
            let weights = vec4<A>(w[w_line + kx * p.group_channels + c]);
            let v3 = along(x_line, first + 3 + i32(kx));
            s0 += weights * v0;
            s1 += weights * v1;
            s2 += weights * v2;
            s3 += weights * v3;
            v0 = v1;
            v1 = v2;
            v2 = v3;
          }
        }
      } else {
        for (var kx = 0u; kx < p.kernel.z; kx++) {
          let at = place(vec3<u32>(oz, oy, ox), vec3<u32>(kz, ky, kx));
          if (any(at >= p.in_dims.xyz)) { continue; }
          var i = base + flatten(at, p.in_dims);
          let w_at = w_line + kx * p.group_channels;
          for (var c = 0u; c < p.group_channels; c++) {
            s0 += vec4<A>(w[w_at + c]) * load(i);
            i += p.in_dims.w;
          }
        }
      }
    }
  }

  let row = row_tile * 4u;
  store(image, g, row, flat, s0);
  if (SLIDING) {
    let left = p.out_dims.z - ox;
    if (left > 1u) { store(image, g, row, flat + 1u, s1); }
    if (left > 2u) { store(image, g, row, flat + 2u, s2); }
    if (left > 3u) { store(image, g, row, flat + 3u, s3); }
  }
}
