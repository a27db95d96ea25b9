// Scores to probabilities, in place: softmax(softcap(score) + bias) over the keys that are seen.
//
//   binding  name      access      what
//   0        p         uniform     Params
//   1        scores    read_write  [batch, heads, queries, keys]: scaled products in, shares out
//   2        added     read        ADDED 1: added to the scores (-infinity hides); 2: 0 hides
//   3        masked    read        MASKED 1: the end of each entry's keys; 2: ends, then beginnings;
//                                  3: by m_b, m_i and m_j, not positive hides. Hidden this way means
//                                  `mask_value` is added.
//   4        lengths   read        LENGTHS 1: 64-bit numbers of valid keys; 2: 32-bit last keys
//   5        sink      read        HAS_SINK: a score per head that no value belongs to
//   6        captured  read_write  the scores at stage CAPTURE, same shape
//
// One workgroup computes one row of keys, in two passes over it: running maximum and sum of
// exponentials, then shares. Keys that are not seen hold the bits of -infinity in between. A row
// without a seen key gives zeros. Memory traffic: scores are read twice and written twice.
// Precision: float32; exponents are never positive.

// use grid

alias TA = f32; // knob: f32 f16 i32 u32
alias TS = f32; // knob: f32 f16
alias TC = f32; // knob: f32 f16
alias TL = u32; // knob: u32 vec2<u32>
const WG : u32 = 64u; // knob: 64 256
const SOFTCAP : bool = false; // knob: any
const ADDED : u32 = 0u; // knob: 0 1 2
const MASKED : u32 = 0u; // knob: 0 1 2 3
const LENGTHS : u32 = 0u; // knob: 0 1 2
const CAUSAL : u32 = 0u; // knob: 0 1 2
const LEFT : bool = false; // knob: any
const RIGHT : bool = false; // knob: any
const HAS_SINK : bool = false; // knob: any
const UNIT_SINK : bool = false; // knob: any
const CAPTURE : u32 = 4u; // knob: 0 1 2 3 4

struct Params {
  rows : u32,
  batch : u32,
  heads : u32,
  queries : u32,
  keys : u32,
  past : u32,        // position of query 0 without LENGTHS
  added_keys : u32,  // keys beyond are not seen
  a_b : u32,         // strides of added
  a_h : u32,
  a_i : u32,
  a_j : u32,
  m_b : u32,
  m_i : u32,
  m_j : u32,
  m_offset : u32,
  prompt : u32,      // LENGTHS 2: 1 when nothing is past
  left : i32,
  right : i32,
  hidden_bits : u32,  // of -infinity: WGSL has no such constant
  softcap : f32,
  mask_value : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read_write> scores : array<f32>;
@group(0) @binding(2) var<storage, read> added : array<TA>;
@group(0) @binding(3) var<storage, read> masked : array<i32>;
@group(0) @binding(4) var<storage, read> lengths : array<TL>;
@group(0) @binding(5) var<storage, read> sink : array<TS>;
@group(0) @binding(6) var<storage, read_write> captured : array<TC>;

const LOWEST : f32 = -3.4028234e38;

var<workgroup> tops : array<f32, WG>;
var<workgroup> sums : array<f32, WG>;
var<workgroup> seen : array<u32, WG>;

// exp for arguments up to 0.
fn decay(v : f32) -> f32 { return select(exp(v), 0.0, v < -87.0); }

// Hidden by its place.
fn unseen(i : u32, j : u32, valid : i32, position : i32) -> bool {
  let at = i32(j);
  var hidden = at >= valid || j >= p.added_keys;
  if (CAUSAL == 1u) { hidden = hidden || at > position; }
  // The last query sees all keys, also where there are more of them than queries.
  if (CAUSAL == 2u) { hidden = hidden || (i + 1u < p.queries && at > position); }
  if (LEFT) { hidden = hidden || position - at > p.left; }
  if (RIGHT) { hidden = hidden || at - position > p.right; }
  return hidden;
}

// Whether `mask_value` is added.
fn masked_out(b : u32, i : u32, j : u32) -> bool {
  let at = i32(j);
  if (MASKED == 1u) { return at >= masked[b]; }
  if (MASKED == 2u) { return at >= masked[b] || at < masked[p.batch + b]; }
  if (MASKED == 3u) { return masked[p.m_offset + b * p.m_b + i * p.m_i + j * p.m_j] <= 0; }
  return false;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let row = workgroup_index(wid, nwg);
  if (row >= p.rows) { return; }
  let i = row % p.queries;
  let h = row / p.queries % p.heads;
  let b = row / p.queries / p.heads;
  let base = row * p.keys;

  // How many keys are valid, and at which position the query stands.
  var valid = i32(p.keys);
  var position = i32(i + p.past);
  if (LENGTHS == 1u) {
    let pair = vec2<u32>(lengths[b]);
    var number = bitcast<i32>(pair.x);
    // Beyond 32 bits: far below 0 or far above any length.
    if (pair.y != bitcast<u32>(number >> 31u)) {
      number = select(0x3fffffff, -0x3fffffff, (pair.y & 0x80000000u) != 0u);
    }
    number = clamp(number, -0x3fffffff, 0x3fffffff);
    valid = min(number, i32(p.keys));
    position = i32(i) + number - i32(p.queries);
  }
  if (LENGTHS == 2u) {
    valid = clamp(bitcast<i32>(vec2<u32>(lengths[b]).x), -1, i32(p.keys)) + 1;
    position = i32(i) + max(select(valid - i32(p.queries), 0, p.prompt != 0u), 0);
  }

  // Where all keys are masked the value is common to all of them and changes nothing, but adding it
  // would round the scores to its own coarse steps.
  var some_unmasked = true;
  if (MASKED != 0u) {
    var found = 0u;
    for (var j = lid; j < p.keys; j += WG) {
      if (!unseen(i, j, valid, position) && !masked_out(b, i, j)) { found = 1u; }
    }
    seen[lid] = found;
    for (var s = WG / 2u; s > 0u; s /= 2u) {
      workgroupBarrier();
      if (lid < s) { seen[lid] |= seen[lid + s]; }
    }
    workgroupBarrier();
    some_unmasked = seen[0] != 0u;
    workgroupBarrier();
  }

  var top = LOWEST;
  var sum = 0.0;
  var any_seen = 0u;
  for (var j = lid; j < p.keys; j += WG) {
    var s = scores[base + j];
    if (CAPTURE == 0u) { captured[base + j] = TC(s); }
    if (SOFTCAP) { s = p.softcap * tanh(clamp(s / p.softcap, -10.0, 10.0)); }
    if (CAPTURE == 1u) { captured[base + j] = TC(s); }
    var hidden = unseen(i, j, valid, position);
    let out = masked_out(b, i, j);
    if (out && some_unmasked) { s += p.mask_value; }
    if (ADDED != 0u && !hidden) {
      let v = f32(added[b * p.a_b + h * p.a_h + i * p.a_i + j * p.a_j]);
      if (ADDED == 2u) {
        hidden = v == 0.0;
      } else if (bitcast<u32>(v) == p.hidden_bits) {
        hidden = true;
      } else {
        s += v;
      }
    }
    if (hidden) {
      s = bitcast<f32>(p.hidden_bits);
    } else {
      any_seen = 1u;
      if (s > top) {
        sum = sum * decay(top - s) + 1.0;
        top = s;
      } else {
        sum += decay(s - top);
      }
    }
    if (CAPTURE == 2u) {
      captured[base + j] = TC(s + select(0.0, p.mask_value, out && !some_unmasked && !hidden));
    }
    scores[base + j] = s;
  }
  tops[lid] = top;
  sums[lid] = sum;
  seen[lid] = any_seen;
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (lid < s) {
      let a = tops[lid];
      let c = tops[lid + s];
      let m = max(a, c);
      tops[lid] = m;
      sums[lid] = sums[lid] * decay(a - m) + sums[lid + s] * decay(c - m);
      seen[lid] |= seen[lid + s];
    }
  }
  workgroupBarrier();
  top = tops[0];
  sum = sums[0];
  if (HAS_SINK) {
    var more = 0.0;
    if (!UNIT_SINK) { more = f32(sink[h]); }
    let m = max(top, more);
    sum = sum * decay(top - m) + decay(more - m);
    top = m;
  }
  let some = seen[0] != 0u;
  for (var j = lid; j < p.keys; j += WG) {
    let s = scores[base + j];
    var share = 0.0;
    if (some && bitcast<u32>(s) != p.hidden_bits) { share = decay(s - top) / sum; }
    scores[base + j] = share;
    if (CAPTURE == 3u) { captured[base + j] = TC(share); }
  }
}
