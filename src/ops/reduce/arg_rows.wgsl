// Position of the greatest (or smallest) element along an axis, many elements for each result.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        the tensor as words: [outer, extent, inner]
//   2        y     read_write  positions as int64: [outer, inner]
//
// One workgroup finds one position: its invocations take turns at the elements and compare what they
// have in a tree in workgroup memory. NaN counts as the extreme; of equals the first wins, or the
// last. Memory traffic: each element is read once. Only bits are compared, so every dtype is exact.

// use grid
// use order_key

const SMALLEST : bool = false; // knob: any
const LAST : bool = false; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  outputs : u32,
  extent : u32,
  inner : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<u32>;
@group(0) @binding(2) var<storage, read_write> y : array<vec2<u32>>;

var<workgroup> keys : array<vec2<u32>, WG>;
var<workgroup> places : array<u32, WG>;

fn extreme_key(i : u32) -> vec2<u32> {
  let key = key_at(i);
  if (SMALLEST && !key_is_nan(key)) { return ~key; }
  return key;
}

// (a, at a) is to be preferred to (b, at b).
fn wins(a : vec2<u32>, at_a : u32, b : vec2<u32>, at_b : u32) -> bool {
  if (key_above(a, b)) { return true; }
  if (key_above(b, a)) { return false; }
  return select((at_a < at_b), (at_a > at_b), LAST);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg);
  if (group >= p.outputs) { return; }
  let base = group / p.inner * p.extent * p.inner + group % p.inner;
  // Invocations beyond the axis stand in for element 0.
  var place = select(0u, lid, lid < p.extent);
  var key = extreme_key(base + place * p.inner);
  for (var r = lid + WG; r < p.extent; r += WG) {
    let other = extreme_key(base + r * p.inner);
    if (wins(other, r, key, place)) {
      key = other;
      place = r;
    }
  }
  keys[lid] = key;
  places[lid] = place;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lid < half && wins(keys[lid + half], places[lid + half], keys[lid], places[lid])) {
      keys[lid] = keys[lid + half];
      places[lid] = places[lid + half];
    }
    workgroupBarrier();
  }
  if (lid == 0u) { y[group] = vec2<u32>(places[0], 0u); }
}
