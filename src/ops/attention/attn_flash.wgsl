// Attention without a matrix of scores: y = softmax(scale q k' + bias) v, the keys taken in blocks,
// with a running maximum, sum of exponentials and weighted sum of values per query (Milakov and
// Gimelshein's online softmax, as in Dao's FlashAttention).
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        q      read        element (b, h, i, e) at q_offset + b * q_b + h * q_h + i * q_l + e
//   2        k      read        likewise, by key heads
//   3        v      read        likewise
//   4        added  read        ADDED 1: added to the scores (-infinity hides); 2: 0 hides
//   5        y      read_write  element (b, h, i, e) at b * y_b + h * y_h + i * y_l + e
//
// One workgroup computes 64 queries of one head, one invocation one query, whose vector and sums it
// keeps in registers (2 * QUADS quads). A block of KEYS keys and values stands in workgroup memory as
// quads (16 KiB at most), read by all invocations at once. Memory traffic: k and v once per 64
// queries, q and y once. Precision: float32; exponents are never positive. A query that sees no key
// gives zeros.

// use cut_grid

alias TQ = f32; // knob: f32 f16
alias TK = f32; // knob: f32 f16
alias TV = f32; // knob: f32 f16
alias TA = f32; // knob: f32 f16 i32 u32
alias TY = f32; // knob: f32 f16
const QUADS : u32 = 16u; // knob: 8 16 32
const ADDED : u32 = 0u; // knob: 0 1 2
const CAUSAL : u32 = 0u; // knob: 0 1 2
const SOFTCAP : bool = false; // knob: any

// 8 keys at least; K and V blocks of 512 quads each are 16 KiB.
const KEYS : u32 = 512u / QUADS;

struct Params {
  workgroups : u32,
  tiles : u32,    // of 64 queries
  heads : u32,
  group : u32,    // query heads per key head
  queries : u32,
  keys : u32,
  size : u32,
  v_size : u32,
  past : u32,     // position of query 0
  q_b : u32,
  q_h : u32,
  q_l : u32,
  q_offset : u32,
  k_b : u32,
  k_h : u32,
  k_l : u32,
  k_offset : u32,
  v_b : u32,
  v_h : u32,
  v_l : u32,
  v_offset : u32,
  y_b : u32,
  y_h : u32,
  y_l : u32,
  a_b : u32,
  a_h : u32,
  a_i : u32,
  a_j : u32,
  hidden_bits : u32,  // of -infinity: WGSL has no such constant
  scale : f32,
  softcap : f32,
  first_workgroup : u32,  // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> q : array<TQ>;
@group(0) @binding(2) var<storage, read> k : array<TK>;
@group(0) @binding(3) var<storage, read> v : array<TV>;
@group(0) @binding(4) var<storage, read> added : array<TA>;
@group(0) @binding(5) var<storage, read_write> y : array<TY>;

var<workgroup> k_block : array<vec4<f32>, 512>;
var<workgroup> v_block : array<vec4<f32>, 512>;

fn q_at(base : u32, e : u32) -> f32 { return select(0.0, f32(q[base + e]), e < p.size); }
fn k_at(base : u32, e : u32) -> f32 { return select(0.0, f32(k[base + e]), e < p.size); }
fn v_at(base : u32, e : u32) -> f32 { return select(0.0, f32(v[base + e]), e < p.v_size); }

// exp for arguments up to 0.
fn decay(x : f32) -> f32 { return select(exp(x), 0.0, x < -87.0); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let index = workgroup_index(wid, nwg);
  if (index >= p.workgroups) { return; }
  let first = index % p.tiles * 64u;
  let h = index / p.tiles % p.heads;
  let b = index / p.tiles / p.heads;
  let i = first + lid;
  let there = i < p.queries;
  let k_base = p.k_offset + b * p.k_b + h / p.group * p.k_h;
  let v_base = p.v_offset + b * p.v_b + h / p.group * p.v_h;

  var query : array<vec4<f32>, QUADS>;
  var sums : array<vec4<f32>, QUADS>;
  let q_base = p.q_offset + b * p.q_b + h * p.q_h + min(i, p.queries - 1u) * p.q_l;
  for (var e = 0u; e < QUADS; e++) {
    query[e] = p.scale * vec4<f32>(q_at(q_base, 4u * e), q_at(q_base, 4u * e + 1u),
                                   q_at(q_base, 4u * e + 2u), q_at(q_base, 4u * e + 3u));
    sums[e] = vec4<f32>();
  }
  var top = -3.4028234e38;
  var sum = 0.0;

  // Causal: no query of the tile sees a key behind its last one's position.
  var end = p.keys;
  if (CAUSAL == 1u) { end = min(end, first + 64u + p.past); }
  for (var block = 0u; block < end; block += KEYS) {
    workgroupBarrier();
    for (var at = lid; at < 512u; at += 64u) {
      let j = block + at / QUADS;
      let e = at % QUADS * 4u;
      var k_quad = vec4<f32>();
      var v_quad = vec4<f32>();
      if (j < p.keys) {
        let k_row = k_base + j * p.k_l;
        let v_row = v_base + j * p.v_l;
        k_quad = vec4<f32>(k_at(k_row, e), k_at(k_row, e + 1u), k_at(k_row, e + 2u),
                           k_at(k_row, e + 3u));
        v_quad = vec4<f32>(v_at(v_row, e), v_at(v_row, e + 1u), v_at(v_row, e + 2u),
                           v_at(v_row, e + 3u));
      }
      k_block[at] = k_quad;
      v_block[at] = v_quad;
    }
    workgroupBarrier();
    let count = min(KEYS, end - block);
    for (var c = 0u; c < count; c++) {
      let j = block + c;
      var product = vec4<f32>();
      for (var e = 0u; e < QUADS; e++) { product += query[e] * k_block[c * QUADS + e]; }
      var s = product.x + product.y + product.z + product.w;
      if (SOFTCAP) { s = p.softcap * tanh(clamp(s / p.softcap, -10.0, 10.0)); }
      var seen = there;
      if (CAUSAL == 1u) { seen = seen && j <= i + p.past; }
      // The last query sees all keys, also where there are more of them than queries.
      if (CAUSAL == 2u) { seen = seen && (i + 1u >= p.queries || j <= i + p.past); }
      if (ADDED != 0u && seen) {
        let more = f32(added[b * p.a_b + h * p.a_h + i * p.a_i + j * p.a_j]);
        if (ADDED == 2u) {
          seen = more != 0.0;
        } else {
          seen = bitcast<u32>(more) != p.hidden_bits;
          s += select(0.0, more, seen);
        }
      }
      if (seen) {
        if (s > top) {
          let less = decay(top - s);
          sum *= less;
          for (var e = 0u; e < QUADS; e++) { sums[e] *= less; }
          top = s;
        }
        let share = decay(s - top);
        sum += share;
        for (var e = 0u; e < QUADS; e++) { sums[e] += share * v_block[c * QUADS + e]; }
      }
    }
  }
  if (!there) { return; }
  let factor = select(1.0 / sum, 0.0, sum == 0.0);
  let y_base = b * p.y_b + h * p.y_h + i * p.y_l;
  for (var e = 0u; e < QUADS; e++) {
    let r = sums[e] * factor;
    if (4u * e < p.v_size) { y[y_base + 4u * e] = TY(r.x); }
    if (4u * e + 1u < p.v_size) { y[y_base + 4u * e + 1u] = TY(r.y); }
    if (4u * e + 2u < p.v_size) { y[y_base + 4u * e + 2u] = TY(r.z); }
    if (4u * e + 3u < p.v_size) { y[y_base + 4u * e + 3u] = TY(r.w); }
  }
}
