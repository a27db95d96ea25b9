// y[i] = x[i] in another element type. Both buffers are seen as words.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements of SRC
//   2        y     read_write  n elements of DST
//
// SRC: 0 float32 (or a narrower float held in it), 1 float16 (two to a word), 2 int32 and narrower,
// 3 uint32 and narrower or bool, 4 int64, 5 uint64, 6 float64.
// DST: 0 float32, 1 float16 (two to a word), 2 an integer of at most 32 bits, 3 bool, 4 int64 or
// uint64, 5 float64, 6 a float narrower than float32, held in it (SMALL, see lib/small_float),
// 7 float8e8m0.
//
// One invocation makes one element (two where DST is 1). Memory traffic: each element is read once
// and written once. Exact: one rounding to nearest even into a float; floats are truncated into
// integers, which wrap.

// use grid
// use small_float
// use f64

const SRC : u32 = 0u; // knob: 0 1 2 3 4 5 6
const DST : u32 = 0u; // knob: 0 1 2 3 4 5 6 7
const SMALL : u32 = 0u; // knob: 0 1 2 3 4 5 6 7
const SHIFT : u32 = 0u; // knob: 0 16 24 28 30
const SIGNED : bool = true; // knob: true false
const SATURATE : bool = true; // knob: true false
const ROUNDING : u32 = 0u; // knob: 0 1 2
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32, // elements
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<u32>;
@group(0) @binding(2) var<storage, read_write> y : array<u32>;

fn half_at(i : u32) -> f32 {
  let pair = unpack2x16float(x[i >> 1u]);
  return select(pair.x, pair.y, (i & 1u) != 0u);
}
fn long_at(i : u32) -> vec2<u32> { return vec2<u32>(x[2u * i], x[2u * i + 1u]); }

// Element i as a float32: rounded to nearest, or so that one more rounding does no harm.
fn real(i : u32, odd : bool) -> f32 {
  if (SRC == 0u) { return bitcast<f32>(x[i]); }
  if (SRC == 1u) { return half_at(i); }
  if (SRC == 6u) { return f64_to_f32(long_at(i), odd); }
  var v = vec2<u32>(0u, 0u);
  if (SRC == 2u) { v = i64_from_i32(bitcast<i32>(x[i])); }
  if (SRC == 3u) { v = i64_from_u32(x[i]); }
  if (SRC == 4u || SRC == 5u) { v = long_at(i); }
  let negative = (SRC == 2u || SRC == 4u) && i64_is_negative(v);
  let magnitude = select(v, i64_neg(v), negative);
  var r = 0.0;
  if (odd) {
    r = u64_to_odd_f32(magnitude);
  } else {
    r = u64_to_f32(magnitude);
  }
  return select(r, -r, negative);
}
// Element i as a 64-bit integer.
fn whole(i : u32) -> vec2<u32> {
  if (SRC == 0u) { return i64_from_f32(bitcast<f32>(x[i])); }
  if (SRC == 1u) { return i64_from_f32(half_at(i)); }
  if (SRC == 2u) { return i64_from_i32(bitcast<i32>(x[i])); }
  if (SRC == 3u) { return i64_from_u32(x[i]); }
  if (SRC == 6u) { return f64_to_i64(long_at(i)); }
  return long_at(i);
}
fn is_nonzero(i : u32) -> bool {
  if (SRC == 0u) { return (x[i] & 0x7fffffffu) != 0u; }
  if (SRC == 1u) { return ((x[i >> 1u] >> (16u * (i & 1u))) & 0x7fffu) != 0u; }
  if (SRC == 2u || SRC == 3u) { return x[i] != 0u; }
  let v = long_at(i);
  if (SRC == 6u) { return (v.x | (v.y & 0x7fffffffu)) != 0u; }
  return (v.x | v.y) != 0u;
}
fn store_long(i : u32, v : vec2<u32>) {
  y[2u * i] = v.x;
  y[2u * i + 1u] = v.y;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (DST == 1u) {
    let first = 2u * i;
    if (first >= p.n) { return; }
    let low = small_float(real(first, true), 1u, false);
    var high = 0.0;
    if (first + 1u < p.n) { high = small_float(real(first + 1u, true), 1u, false); }
    y[i] = pack2x16float(vec2<f32>(low, high));
    return;
  }
  if (i >= p.n) { return; }
  if (DST == 0u) {
    if (SRC == 0u) {
      y[i] = x[i];
    } else {
      y[i] = bitcast<u32>(real(i, false));
    }
  } else if (DST == 2u) {
    var word = x[0];
    if (SRC == 2u || SRC == 3u) {
      word = x[i];
    } else {
      word = whole(i).x;
    }
    if (SIGNED) {
      y[i] = bitcast<u32>((bitcast<i32>(word) << SHIFT) >> SHIFT);
    } else {
      y[i] = (word << SHIFT) >> SHIFT;
    }
  } else if (DST == 3u) {
    y[i] = select(0u, 1u, is_nonzero(i));
  } else if (DST == 4u) {
    store_long(i, whole(i));
  } else if (DST == 5u) {
    if (SRC <= 1u) {
      store_long(i, f64_from_f32(real(i, false)));
    } else if (SRC == 5u || SRC == 3u) {
      store_long(i, f64_from_u64(whole(i)));
    } else {
      store_long(i, f64_from_i64(whole(i)));
    }
  } else if (DST == 6u) {
    y[i] = bitcast<u32>(small_float(real(i, true), SMALL, SATURATE));
  } else {
    y[i] = power_of_two_bits(real(i, true), ROUNDING, SATURATE);
  }
}
