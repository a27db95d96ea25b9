// Position of the greatest (or smallest) element along an axis, one invocation for each result: a
// short axis, or one that is not the innermost.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        the tensor as words: [outer, extent, inner]
//   2        y     read_write  positions as int64: [outer, inner]
//
// One invocation finds one position in a plain loop; neighbours read neighbouring elements. NaN
// counts as the extreme; of equals the first wins, or the last. Memory traffic: each element is read
// once. Only bits are compared, so every dtype is exact.

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

fn extreme_key(i : u32) -> vec2<u32> {
  let key = key_at(i);
  if (SMALLEST && !key_is_nan(key)) { return ~key; }
  return key;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.outputs) { return; }
  let base = i / p.inner * p.extent * p.inner + i % p.inner;
  var place = 0u;
  var key = extreme_key(base);
  for (var r = 1u; r < p.extent; r++) {
    let other = extreme_key(base + r * p.inner);
    if (key_above(other, key) || (LAST && !key_above(key, other))) {
      key = other;
      place = r;
    }
  }
  y[i] = vec2<u32>(place, 0u);
}
