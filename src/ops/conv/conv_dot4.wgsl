// Convolution of 8-bit integers as an implicit matrix product, four channels at a time (language
// feature packed_4x8_integer_dot_product): rows are the output channels of a group, columns the
// output positions of all images, and the sum runs over kernel taps and words of four channels.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        [N, groups, words, D, H, W] of four signed bytes (conv_words)
//   2        w       read        weights in tiles: [group][row tile][chunk][4][TM] pairs of words
//   3        rows    read        [M]: the zero point of the row's weights, and the sum of its bytes
//   4        bias    read        [M], when HAS_BIAS: int32, or float32 when MODE is 2
//   5        factor  read        [M], unless MODE is 0
//   6        scale   read        x's scale, when MODE is 2
//   7        zero    read        x's zero point, when RUN_ZERO: one that only the run knows
//   8        y       read_write  [N, M, D', H', W']
//
// MODE 0: the exact sums. 1: round((sum + bias) * factor) + y_zero, saturated, where factor is
// x_scale * w_scale / y_scale. 2: activation(sum * (scale * factor) + bias), where factor is w_scale.
//
// One workgroup computes TM = 16 RM rows by 64 positions in chunks of 8 words (32 channels); one
// invocation fetches a pair of words of x, and of the weights, and computes RM by 4 elements in
// registers. The next chunk is fetched while one is multiplied: two buffers, 8 KiB for RM 4, and one
// barrier per chunk. Chunks lie within one tap (words padded to 8); with FLAT (few channels) they run
// across taps. Outside of x all channels have x's zero point. What zero points and shifts to signed
// bytes add is taken off at the end, by the sums of rows and columns:
//   sum (a - za)(b - zb) = sum ab - zb sum a - za sum b + k za zb.
// Memory traffic: x is read taps * M / TM times, a byte per element, the weights once per 64
// positions. Precision: exact; int32 wraps.

// needs packed_dot
// use cut_grid
// use places
// use activation

alias B = i32; // knob: i32 f32
alias Z = u32; // knob: i32 u32
alias Y = i32; // knob: i32 u32 f32
const RM : u32 = 4u; // knob: 1 2 4
const MODE : u32 = 0u; // knob: 0 1 2
const FLAT : bool = false; // knob: true false
const W_ZERO : bool = false; // knob: true false
const RUN_ZERO : bool = false; // knob: true false
const HAS_BIAS : bool = false; // knob: true false

const TM : u32 = 16u * RM;
const TN : u32 = 64u;
const PAIRS : u32 = 4u; // of words in a chunk
const ONES : u32 = 0x01010101u;

struct Params {
  in_dims : vec4<u32>,   // D, H, W of x, and their product
  out_dims : vec4<u32>,  // the same of y
  kernel : vec4<u32>,    // extents, and their product
  stride : vec4<u32>,    //
  dilation : vec4<u32>,  //
  pad : vec4<i32>,       // in front
  words : u32,           // of one group
  tail_mask : u32,       // the channels that the last of them has
  groups : u32,          //
  rows : u32,            // M
  group_rows : u32,      // M / groups
  terms : u32,           // channels of a group times taps
  positions : u32,       // of all images
  row_tiles : u32,       // of one group
  position_tiles : u32,  //
  tiles : u32,           // workgroups that have work
  chunks : u32,          // of all taps
  tap_chunks : u32,      // of one tap; not FLAT
  x_shift : i32,         // what was taken off x's elements
  x_zero : i32,          // zero points
  y_zero : i32,          //
  y_low : i32,           // bounds of y's dtype
  y_high : i32,          //
  alpha : f32,           // of the activation
  beta : f32,            //
  first_workgroup : u32, // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<u32>;
@group(0) @binding(2) var<storage, read> w : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> rows : array<vec2<i32>>;
@group(0) @binding(4) var<storage, read> bias : array<B>;
@group(0) @binding(5) var<storage, read> factor : array<f32>;
@group(0) @binding(6) var<storage, read> scale : array<f32>;
@group(0) @binding(7) var<storage, read> zero : array<Z>;
@group(0) @binding(8) var<storage, read_write> y : array<Y>;

var<workgroup> a_tile : array<vec2<u32>, 2u * PAIRS * TM>;
var<workgroup> b_tile : array<vec2<u32>, 2u * PAIRS * TN>;

// A word of one position: of x, or four times its zero point outside. `at` is the place in word 0.
fn word_at(word : u32, met : bool, at : u32, outside : u32) -> u32 {
  if (word >= p.words) { return 0u; }
  if (met) { return x[at + word * p.in_dims.w]; }
  return outside & select(0xffffffffu, p.tail_mask, word + 1u == p.words);
}

// Word `term` of the flat order, which has its own tap.
fn flat_word(start : vec3<i32>, base : u32, term : u32, outside : u32) -> u32 {
  let tap = term / p.words;
  if (tap >= p.kernel.w) { return 0u; }
  let place = vec3<u32>(start + vec3<i32>(unflatten(tap, p.kernel) * p.dilation.xyz) - p.pad.xyz);
  return word_at(term % p.words, all(place < p.in_dims.xyz),
                 base + flatten(place, p.in_dims), outside);
}

fn dot_pairs(a : vec2<u32>, b : vec2<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y);
}
fn dots(a : vec2<u32>, b0 : vec2<u32>, b1 : vec2<u32>, b2 : vec2<u32>, b3 : vec2<u32>) -> vec4<i32> {
  return vec4<i32>(dot_pairs(a, b0), dot_pairs(a, b1), dot_pairs(a, b2), dot_pairs(a, b3));
}

fn store(m : u32, n : u32, sum : i32) {
  let at = (n / p.out_dims.w * p.rows + m) * p.out_dims.w + n % p.out_dims.w;
  if (MODE == 2u) {
    var v = f32(sum) * (scale[0] * factor[m]);
    if (HAS_BIAS) { v += f32(bias[m]); }
    y[at] = Y(activate(v, p.alpha, p.beta));
    return;
  }
  var v = sum;
  if (HAS_BIAS) { v += i32(bias[m]); }
  if (MODE == 1u) {
    let q = round(f32(v) * factor[m]) + f32(p.y_zero);
    y[at] = Y(i32(clamp(q, f32(p.y_low), f32(p.y_high))));
  } else {
    y[at] = Y(v);
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let tile = workgroup_index(wid, nwg);
  if (tile >= p.tiles) { return; }
  // Row tiles are neighbours: they read the same part of x.
  let row_tile = tile % p.row_tiles;
  let position_tile = tile / p.row_tiles % p.position_tiles;
  let g = tile / (p.row_tiles * p.position_tiles);
  var x_zero = p.x_zero;
  if (RUN_ZERO) { x_zero = i32(zero[0]); }
  x_zero -= p.x_shift;
  let outside = (u32(x_zero) & 255u) * ONES;

  // The position, and the pair of words of each chunk, that this invocation fetches.
  let load_n = position_tile * TN + lid % TN;
  let load_word = lid / TN * 2u;
  let inside = load_n < p.positions;
  let start = vec3<i32>(unflatten(load_n % p.out_dims.w, p.out_dims) * p.stride.xyz);
  let base = (load_n / p.out_dims.w * p.groups + g) * p.words * p.in_dims.w;
  let w_base = (g * p.row_tiles + row_tile) * p.chunks * PAIRS * TM + lid;

  // And the elements that it computes: every 16th row and position.
  let tx = lid % 16u;
  let ty = lid / 16u;
  var s0 = vec4<i32>();
  var s1 = vec4<i32>();
  var s2 = vec4<i32>();
  var s3 = vec4<i32>();
  var x_sum = vec4<i32>();

  var c_chunk = 0u;     // number of the chunk within its tap; not FLAT
  var k = vec2<u32>();  // the tap's place along the two inner axes
  var offset = -p.pad.xyz;
  var place = vec3<u32>(start + offset);
  var stage = 0u;
  for (var chunk = 0u; chunk <= p.chunks; chunk++) {
    var a_next = vec2<u32>();
    var b_next = vec2<u32>();
    if (chunk < p.chunks) {
      if (lid < PAIRS * TM) { a_next = w[w_base + chunk * PAIRS * TM]; }
      if (inside) {
        if (FLAT) {
          let term = chunk * 2u * PAIRS + load_word;
          b_next = vec2<u32>(flat_word(start, base, term, outside),
                             flat_word(start, base, term + 1u, outside));
        } else {
          let word = c_chunk * 2u * PAIRS + load_word;
          let met = all(place < p.in_dims.xyz); // negative places are huge ones
          let at = base + flatten(place, p.in_dims);
          b_next = vec2<u32>(word_at(word, met, at, outside), word_at(word + 1u, met, at, outside));
        }
      }
    }
    if (chunk > 0u) {
      let a_side = (1u - stage) * PAIRS * TM;
      let b_side = (1u - stage) * PAIRS * TN;
      for (var pair = 0u; pair < PAIRS; pair++) {
        let b_at = b_side + pair * TN + tx;
        let b0 = b_tile[b_at];
        let b1 = b_tile[b_at + 16u];
        let b2 = b_tile[b_at + 32u];
        let b3 = b_tile[b_at + 48u];
        let a_at = a_side + pair * TM + ty;
        s0 += dots(a_tile[a_at], b0, b1, b2, b3);
        if (RM > 1u) { s1 += dots(a_tile[a_at + 16u], b0, b1, b2, b3); }
        if (RM > 2u) {
          s2 += dots(a_tile[a_at + 32u], b0, b1, b2, b3);
          s3 += dots(a_tile[a_at + 48u], b0, b1, b2, b3);
        }
        if (W_ZERO) { x_sum += dots(vec2<u32>(ONES), b0, b1, b2, b3); }
      }
    }
    if (lid < PAIRS * TM) { a_tile[stage * PAIRS * TM + lid] = a_next; }
    b_tile[stage * PAIRS * TN + lid] = b_next;
    stage = 1u - stage;
    workgroupBarrier();
    if (!FLAT) {
      c_chunk += 1u;
      if (c_chunk == p.tap_chunks) {
        c_chunk = 0u;
        k.x += 1u;
        offset.z += i32(p.dilation.z);
        if (k.x == p.kernel.z) {
          k = vec2<u32>(0u, k.y + 1u);
          offset = vec3<i32>(offset.x, offset.y + i32(p.dilation.y), -p.pad.z);
          if (k.y == p.kernel.y) {
            k.y = 0u;
            offset = vec3<i32>(offset.x + i32(p.dilation.x), -p.pad.y, -p.pad.z);
          }
        }
        place = vec3<u32>(start + offset);
      }
    }
  }

  // Through an array, so that the text of the stores is there once.
  var sums = array<vec4<i32>, 4>(s0, s1, s2, s3);
  for (var i = 0u; i < RM; i++) {
    let row = row_tile * TM + ty + 16u * i;
    if (row < p.group_rows) {
      let m = g * p.group_rows + row;
      let of_row = rows[m];
      let whole = i32(p.terms) * x_zero * of_row.x - x_zero * of_row.y;
      for (var j = 0u; j < 4u; j++) {
        let n = position_tile * TN + tx + 16u * j;
        if (n < p.positions) { store(m, n, sums[i][j] - of_row.x * x_sum[j] + whole); }
      }
    }
  }
}
