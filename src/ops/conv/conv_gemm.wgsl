// Convolution and transposed convolution as an implicit matrix product: rows are the output
// channels of a group, columns the output positions of all images, and the sum runs over kernel
// taps and input channels. The columns are gathered from x on the way into workgroup memory.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        [N, C, D, H, W]
//   2        w       read        weights in tiles: [group][row tile][chunk][BK][TM], zeros beyond
//   3        bias    read        [M], when HAS_BIAS
//   4        z       read        like y, added before the activation, when HAS_RESIDUAL
//   5        factor  read        [M], when QUANT: x_scale * w_scale / y_scale
//   6        zero    read        x's zero point, when RUN_ZERO: one that only the run knows
//   7        y       read_write  [N, M, D', H', W']
//
// One workgroup computes TM rows by TN positions, one invocation RM by RN of them in registers
// (128 x 128 and 8 x 8 in the largest variant). Per chunk of BK terms the workgroup reads TM * BK
// weights (contiguous) and TN * BK elements of x (coalesced along positions) once; the next chunk is
// on its way while one is multiplied. Two buffers (16 KiB in the largest variant), so one barrier per
// chunk suffices.
//
// Terms are ordered [tap][channel]. Chunks lie within one tap (channels padded to BK), so that all
// bounds are looked at once per tap; with FLAT (few channels) chunks run across taps.
//
// TRANSPOSED: positions are split into `phases`, one per remainder of the output index modulo the
// stride. Within a phase the same taps meet the input everywhere, at offsets of a plain convolution
// of stride 1; taps of other phases are skipped by the whole workgroup.
//
// SPLIT: outputs too small to occupy a device are cut along the sum; each part is written by itself
// and conv_sum adds them up and does the rest.
//
// Precision: products and sums in A: float32 whatever T is, or exact int32.

// use cut_grid
// use places
// use conv_store

alias T = f32; // knob: f32 f16 i32 u32
alias W = f32; // knob: f32 f16 i32
alias B = f32; // knob: f32 f16 i32
alias A = f32; // knob: f32 i32
alias Y = f32; // knob: f32 f16 i32 u32
const TX : u32 = 16u; // knob: 8 16 32
const TY : u32 = 16u; // knob: 4 8 16
const RM : u32 = 8u; // knob: 4 8
const RN : u32 = 8u; // knob: 4 8
const LOADS : u32 = 1u; // knob: 1 2
const FLAT : bool = false; // knob: true false
const TAIL : bool = true; // knob: true false
const TRANSPOSED : bool = false; // knob: true false
const SPLIT : bool = false; // knob: true false
const INTEGER : bool = false; // knob: true false
const RUN_ZERO : bool = false; // knob: true false
const QUANT : bool = false; // knob: true false
const HAS_BIAS : bool = false; // knob: true false
const HAS_RESIDUAL : bool = false; // knob: true false

const WG : u32 = TX * TY;
const TM : u32 = TY * RM;
const TN : u32 = TX * RN;
// Each invocation loads four channels of one position LOADS times per chunk.
const BK : u32 = 4u * WG * LOADS / TN;
const A_VECS : u32 = BK * TM / 4u;
const B_VECS : u32 = BK * TN / 4u;

struct Params {
  in_dims : vec4<u32>,   // D, H, W of x, and their product
  out_dims : vec4<u32>,  // the same of y
  grid_dims : vec4<u32>, // positions of one phase: those of y, or divided by the stride
  kernel : vec4<u32>,    // extents, and their product
  stride : vec4<u32>,    // of positions; w: phases
  dilation : vec4<u32>,  //
  pad : vec4<i32>,       // in front
  channels : u32,        // C
  group_channels : u32,  // C / groups
  rows : u32,            // M
  group_rows : u32,      // M / groups
  positions : u32,       // of one phase, all images
  row_tiles : u32,       // of one group
  position_tiles : u32,  //
  groups : u32,          //
  tiles : u32,           // workgroups that have work
  chunks : u32,          // of all taps
  tap_chunks : u32,      // chunks of one tap; not FLAT
  split_chunks : u32,    // SPLIT: chunks of one part
  split_elems : u32,     // SPLIT: elements of one part's result
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

var<workgroup> a_tile : array<vec4<A>, 2u * A_VECS>;
var<workgroup> b_tile : array<vec4<A>, 2u * B_VECS>;

// What tap `tap` adds to a position's place in x. TRANSPOSED: meaningful only when hits() is true.
fn tap_offset(tap : u32, phase : vec3<u32>) -> vec3<i32> {
  let k = vec3<i32>(unflatten(tap, p.kernel) * p.dilation.xyz);
  if (TRANSPOSED) {
    let s = vec3<i32>(p.stride.xyz);
    let t = vec3<i32>(phase) + p.pad.xyz - k;
    // Rounds towards minus infinity: t is a multiple of the stride where it matters.
    return (t - ((t % s) + s) % s) / s;
  }
  return k - p.pad.xyz;
}

fn hits(tap : u32, phase : vec3<u32>) -> bool {
  let k = vec3<i32>(unflatten(tap, p.kernel) * p.dilation.xyz);
  return all((vec3<i32>(phase) + p.pad.xyz - k) % vec3<i32>(p.stride.xyz) == vec3<i32>(0));
}

// The first tap from `tap` on that meets this phase; the number of taps when there is none.
fn next_tap(tap : u32, phase : vec3<u32>) -> u32 {
  var t = tap;
  if (TRANSPOSED) {
    loop {
      if (t >= p.kernel.w) { break; }
      if (hits(t, phase)) { break; }
      t += 1u;
    }
  }
  return t;
}

fn load(i : u32) -> A {
  if (INTEGER) { return A(x[i]) - x_zero; }
  return A(x[i]);
}

// Channels c .. c + 3 of the group at one place, zeros outside. `at` is the place in channel 0.
fn fetch_tap(inside : bool, at : u32, c : u32) -> vec4<A> {
  var v = vec4<A>();
  if (inside) {
    let plane = p.in_dims.w;
    let i = at + c * plane;
    if (!TAIL) {
      return vec4<A>(load(i), load(i + plane), load(i + 2u * plane), load(i + 3u * plane));
    }
    if (c < p.group_channels) { v.x = load(i); }
    if (c + 1u < p.group_channels) { v.y = load(i + plane); }
    if (c + 2u < p.group_channels) { v.z = load(i + 2u * plane); }
    if (c + 3u < p.group_channels) { v.w = load(i + 3u * plane); }
  }
  return v;
}

// Term k of the flat order, which has its own tap.
fn flat_term(start : vec3<i32>, base : u32, k : u32) -> A {
  let tap = k / p.group_channels;
  if (tap >= p.kernel.w) { return A(); }
  let at = vec3<u32>(start + tap_offset(tap, vec3<u32>()));
  if (any(at >= p.in_dims.xyz)) { return A(); }
  return load(base + k % p.group_channels * p.in_dims.w + flatten(at, p.in_dims));
}

fn fetch_flat(start : vec3<i32>, inside : bool, base : u32, k : u32) -> vec4<A> {
  var v = vec4<A>();
  if (inside) {
    for (var i = 0u; i < 4u; i++) {
      v = select(v, vec4<A>(flat_term(start, base, k + i)),
                 vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(i));
    }
  }
  return v;
}

// Row `row` of group g at one output position; `at` is the element of row 0 of the group.
fn store_row(g : u32, row : u32, at : u32, sum : A) {
  if (row >= p.group_rows) { return; }
  conv_store(at + row * p.out_dims.w, g * p.group_rows + row, sum);
}

// Four rows of group g, from `row` on, at position n of the phase.
fn store(g : u32, row : u32, n : u32, phase : vec3<u32>, part : u32, sums : vec4<A>) {
  if (n >= p.positions) { return; }
  let image = n / p.grid_dims.w;
  var o = n % p.grid_dims.w;
  if (TRANSPOSED) {
    let place = unflatten(o, p.grid_dims) * p.stride.xyz + phase;
    if (any(place >= p.out_dims.xyz)) { return; }
    o = flatten(place, p.out_dims);
  }
  let at = part * p.split_elems + (image * p.rows + g * p.group_rows) * p.out_dims.w + o;
  store_row(g, row, at, sums.x);
  store_row(g, row + 1u, at, sums.y);
  store_row(g, row + 2u, at, sums.z);
  store_row(g, row + 3u, at, sums.w);
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
  // Row tiles are neighbours: they read the same part of x.
  let row_tile = tile % p.row_tiles;
  let position_tile = (tile / p.row_tiles) % p.position_tiles;
  let outer = tile / (p.row_tiles * p.position_tiles);
  let g = outer % p.groups;
  let part = select(0u, outer / p.groups, SPLIT);
  let phase = unflatten(select(outer / p.groups, 0u, SPLIT), p.stride);

  // The position and the four channels of each chunk that this invocation loads.
  let load_n = position_tile * TN + lid % TN;
  let load_c = (lid / TN) * 4u;
  let inside = load_n < p.positions;
  var start = vec3<i32>(unflatten(load_n % p.grid_dims.w, p.grid_dims));
  if (!TRANSPOSED) { start *= vec3<i32>(p.stride.xyz); }
  let base = (load_n / p.grid_dims.w * p.channels + g * p.group_channels) * p.in_dims.w;
  let w_base = (g * p.row_tiles + row_tile) * p.chunks * A_VECS + lid;

  // A warp of 32 covers 8 positions by 4 rows: each of its reads of workgroup memory is then served
  // at once.
  let wave = lid / 32u;
  let tx = lid % 8u + 8u * (wave % (TX / 8u));
  let ty = lid % 32u / 8u + 4u * (wave / (TX / 8u));
  var c0 = vec4<A>(); var c1 = vec4<A>(); var c2 = vec4<A>(); var c3 = vec4<A>();
  var c4 = vec4<A>(); var c5 = vec4<A>(); var c6 = vec4<A>(); var c7 = vec4<A>();
  var d0 = vec4<A>(); var d1 = vec4<A>(); var d2 = vec4<A>(); var d3 = vec4<A>();
  var d4 = vec4<A>(); var d5 = vec4<A>(); var d6 = vec4<A>(); var d7 = vec4<A>();

  var tap = 0u;         // not FLAT: of the chunk at hand
  var c_chunk = 0u;     // its number within the tap
  var k = vec2<u32>();  // the tap's place along the two inner axes; not TRANSPOSED
  var offset = vec3<i32>();
  var chunk = part * p.split_chunks;
  var last_chunk = p.chunks;
  if (SPLIT) { last_chunk = min(chunk + p.split_chunks, p.chunks); }
  var met = false;      // the tap meets the input at this invocation's position,
  var at = 0u;          // at this place in channel 0
  if (!FLAT) {
    if (SPLIT) {
      tap = chunk / p.tap_chunks;
      c_chunk = chunk % p.tap_chunks;
      k = unflatten(tap, p.kernel).zy;
    } else {
      tap = next_tap(0u, phase);
      chunk = tap * p.tap_chunks;
    }
    offset = tap_offset(tap, phase);
    let place = vec3<u32>(start + offset); // negative places become huge ones
    met = inside && all(place < p.in_dims.xyz);
    at = base + flatten(place, p.in_dims);
  }
  // Each trip fetches a chunk into registers, multiplies the one before, which lies in workgroup
  // memory, and only then puts the new one into the other buffer.
  var side = 0u;
  var filled = false;
  loop {
    let more = chunk < last_chunk;
    var a_next = vec4<A>();
    var b_next = vec4<A>();
    var b_second = vec4<A>();
    if (more) {
      if (lid < A_VECS) { a_next = vec4<A>(w[w_base + chunk * A_VECS]); }
      if (FLAT) {
        let term = chunk * BK + load_c;
        b_next = fetch_flat(start, inside, base, term);
        if (LOADS == 2u) { b_second = fetch_flat(start, inside, base, term + BK / 2u); }
      } else {
        let c = c_chunk * BK + load_c;
        b_next = fetch_tap(met, at, c);
        if (LOADS == 2u) { b_second = fetch_tap(met, at, c + BK / 2u); }
      }
    }
    if (filled) {
      for (var k4 = 0u; k4 < BK / 4u; k4++) {
        let b_at = side * B_VECS + k4 * TN + tx;
        let b0 = b_tile[b_at];
        let b1 = b_tile[b_at + TX];
        let b2 = b_tile[b_at + 2u * TX];
        let b3 = b_tile[b_at + 3u * TX];
        var b4 = vec4<A>(); var b5 = vec4<A>(); var b6 = vec4<A>(); var b7 = vec4<A>();
        if (RN == 8u) {
          b4 = b_tile[b_at + 4u * TX];
          b5 = b_tile[b_at + 5u * TX];
          b6 = b_tile[b_at + 6u * TX];
          b7 = b_tile[b_at + 7u * TX];
        }
        let a_at = side * A_VECS + k4 * TM + ty * (RM / 4u);
        let e0 = a_tile[a_at];
        c0 += e0 * b0.x; c1 += e0 * b1.x; c2 += e0 * b2.x; c3 += e0 * b3.x;
        if (RN == 8u) {
          c4 += e0 * b4.x; c5 += e0 * b5.x; c6 += e0 * b6.x; c7 += e0 * b7.x;
        }
        if (RM == 8u) {
          let q0 = a_tile[a_at + 1u];
          d0 += q0 * b0.x; d1 += q0 * b1.x; d2 += q0 * b2.x; d3 += q0 * b3.x;
          if (RN == 8u) {
            d4 += q0 * b4.x; d5 += q0 * b5.x; d6 += q0 * b6.x; d7 += q0 * b7.x;
          }
        }
        let e1 = a_tile[a_at + 1u * (TM / 4u)];
        c0 += e1 * b0.y; c1 += e1 * b1.y; c2 += e1 * b2.y; c3 += e1 * b3.y;
        if (RN == 8u) {
          c4 += e1 * b4.y; c5 += e1 * b5.y; c6 += e1 * b6.y; c7 += e1 * b7.y;
        }
        if (RM == 8u) {
          let q1 = a_tile[a_at + 1u * (TM / 4u) + 1u];
          d0 += q1 * b0.y; d1 += q1 * b1.y; d2 += q1 * b2.y; d3 += q1 * b3.y;
          if (RN == 8u) {
            d4 += q1 * b4.y; d5 += q1 * b5.y; d6 += q1 * b6.y; d7 += q1 * b7.y;
          }
        }
        let e2 = a_tile[a_at + 2u * (TM / 4u)];
        c0 += e2 * b0.z; c1 += e2 * b1.z; c2 += e2 * b2.z; c3 += e2 * b3.z;
        if (RN == 8u) {
          c4 += e2 * b4.z; c5 += e2 * b5.z; c6 += e2 * b6.z; c7 += e2 * b7.z;
        }
        if (RM == 8u) {
          let q2 = a_tile[a_at + 2u * (TM / 4u) + 1u];
          d0 += q2 * b0.z; d1 += q2 * b1.z; d2 += q2 * b2.z; d3 += q2 * b3.z;
          if (RN == 8u) {
            d4 += q2 * b4.z; d5 += q2 * b5.z; d6 += q2 * b6.z; d7 += q2 * b7.z;
          }
        }
        let e3 = a_tile[a_at + 3u * (TM / 4u)];
        c0 += e3 * b0.w; c1 += e3 * b1.w; c2 += e3 * b2.w; c3 += e3 * b3.w;
        if (RN == 8u) {
          c4 += e3 * b4.w; c5 += e3 * b5.w; c6 += e3 * b6.w; c7 += e3 * b7.w;
        }
        if (RM == 8u) {
          let q3 = a_tile[a_at + 3u * (TM / 4u) + 1u];
          d0 += q3 * b0.w; d1 += q3 * b1.w; d2 += q3 * b2.w; d3 += q3 * b3.w;
          if (RN == 8u) {
            d4 += q3 * b4.w; d5 += q3 * b5.w; d6 += q3 * b6.w; d7 += q3 * b7.w;
          }
        }
      }
    }
    if (!more) { break; }
    side = 1u - side;
    filled = true;
    if (lid < A_VECS) { a_tile[side * A_VECS + lid] = a_next; }
    b_tile[side * B_VECS + lid] = b_next;
    if (LOADS == 2u) { b_tile[side * B_VECS + WG + lid] = b_second; }
    workgroupBarrier();

    chunk += 1u;
    if (!FLAT) {
      c_chunk += 1u;
      if (c_chunk == p.tap_chunks) {
        c_chunk = 0u;
        if (TRANSPOSED) {
          tap = next_tap(tap + 1u, phase);
          offset = tap_offset(tap, phase);
          chunk = tap * p.tap_chunks;
        } else {
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
        }
        let place = vec3<u32>(start + offset);
        met = inside && all(place < p.in_dims.xyz);
        at = base + flatten(place, p.in_dims);
      }
    }
  }

  // Through an array, so that the text of the stores is there once.
  var sums = array<vec4<A>, 16>(c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7);
  let row = row_tile * TM + ty * RM;
  let n = position_tile * TN + tx;
  for (var i = 0u; i < RM / 4u; i++) {
    for (var j = 0u; j < RN; j++) { store(g, row + i * 4u, n + j * TX, phase, part, sums[i * 8u + j]); }
  }
}
