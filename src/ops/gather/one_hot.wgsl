// y[o, d, i] = values[1] where d is the index [o, i], counted from the end when negative, and
// values[0] elsewhere.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        index   read        indices as words
//   2        values  read        off, on
//   3        y       read_write  n elements: [outer, depth, inner]
//
// One invocation computes one element. Memory traffic: y is written once; the indices, read once
// per depth, come out of the cache.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
// Of the indices: 0 f32, 1 f16, 2 i32, 3 u32, 4 i64, 5 u64
const INDEX : u32 = 4u; // knob: 0 1 2 3 4 5
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  depth : u32,
  inner : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> index : array<u32>;
@group(0) @binding(2) var<storage, read> values : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

// Index i; one that no depth has when it does not fit 31 bits.
fn index_at(i : u32) -> i32 {
  const NONE : i32 = 0x7fffffff;
  if (INDEX <= 1u) {
    var v = 0.0;
    if (INDEX == 0u) {
      v = bitcast<f32>(index[i]);
    } else {
      v = unpack2x16float(index[i / 2u] >> (16u * (i % 2u))).x;
    }
    let size = bitcast<u32>(v) & 0x7fffffffu;
    if (size >= 0x4e800000u) { return NONE; } // 2^30 and above, infinities, NaN
    return i32(trunc(v));
  }
  if (INDEX == 2u) { return bitcast<i32>(index[i]); }
  if (INDEX == 3u) { return select(bitcast<i32>(index[i]), NONE, index[i] > 0x7fffffffu); }
  let low = bitcast<i32>(index[2u * i]);
  let high = bitcast<i32>(index[2u * i + 1u]);
  return select(NONE, low, high == (low >> 31u) && (INDEX == 4u || high == 0));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let row = i / p.inner;
  let d = i32(row % p.depth);
  let at = index_at(row / p.depth * p.inner + i % p.inner);
  let on = at == d || (at < 0 && at + i32(p.depth) == d);
  y[i] = values[select(0u, 1u, on)];
}
