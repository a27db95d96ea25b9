// Reduces 64-bit integers over a set of axes, exactly; also the mean of narrower ones, whose sum may
// exceed 32 bits.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        the tensor, one or two words per element
//   2        y     read_write  results, as many words each
//
// One workgroup computes one result: its invocations take turns at the elements and join what they
// have in a tree in workgroup memory. Memory traffic: each element is read once. Sums and products
// wrap modulo 2^64; a mean rounds towards zero.

// use grid
// use reduce_axes
// use i64

// Elements: 0 i64, 1 u64, 2 i32, 3 u32
const SOURCE : u32 = 0u; // knob: 0 1 2 3
// 0: the element, 1: its magnitude, 2: its square
const PRE : u32 = 0u; // knob: 0 1 2
// 0 sum, 1 max, 2 min, 3 product
const COMBINE : u32 = 0u; // knob: 0 1 2 3
const MEAN : bool = false; // knob: any
const KEPT_AXES : u32 = 8u; // knob: any
const REDUCED_AXES : u32 = 8u; // knob: any
const WG : u32 = 64u; // knob: 64 128 256
const SIGNED : bool = SOURCE == 0u || SOURCE == 2u;

// Axes are right-aligned: the innermost is the eighth. Strides are those of x, in elements.
struct Params {
  kept_shape : array<vec4<u32>, 2>,
  kept_stride : array<vec4<u32>, 2>,
  reduced_shape : array<vec4<u32>, 2>,
  reduced_stride : array<vec4<u32>, 2>,
  start : vec2<u32>, // the result over nothing
  outputs : u32,
  count : u32, // elements for a result
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<u32>;
@group(0) @binding(2) var<storage, read_write> y : array<u32>;

var<workgroup> partial : array<vec2<u32>, WG>;

fn load(i : u32) -> vec2<u32> {
  var v = vec2<u32>(0u);
  if (SOURCE <= 1u) {
    v = vec2<u32>(x[2u * i], x[2u * i + 1u]);
  } else if (SOURCE == 2u) {
    v = i64_from_i32(bitcast<i32>(x[i]));
  } else {
    v = i64_from_u32(x[i]);
  }
  if (PRE == 1u && SIGNED) { return i64_abs(v); }
  if (PRE == 2u) { return i64_mul(v, v); }
  return v;
}

fn combine(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  if (COMBINE == 0u) { return i64_add(a, b); }
  if (COMBINE == 3u) { return i64_mul(a, b); }
  if (COMBINE == 1u) {
    if (SIGNED) { return i64_max(a, b); }
    return u64_max(a, b);
  }
  if (SIGNED) { return i64_min(a, b); }
  return u64_min(a, b);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg);
  if (group >= p.outputs) { return; }
  let base = kept_offset(group);
  var total = p.start;
  for (var r = lid; r < p.count; r += WG) {
    total = combine(total, load(base + reduced_offset(r)));
  }
  partial[lid] = total;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lid < half) { partial[lid] = combine(partial[lid], partial[lid + half]); }
    workgroupBarrier();
  }
  if (lid != 0u) { return; }
  total = partial[0];
  if (MEAN) {
    if (SIGNED) {
      total = i64_div(total, vec2<u32>(p.count, 0u));
    } else {
      total = u64_divide(total, vec2<u32>(p.count, 0u)).quotient;
    }
  }
  if (SOURCE <= 1u) {
    y[2u * group] = total.x;
    y[2u * group + 1u] = total.y;
  } else {
    y[group] = total.x;
  }
}
