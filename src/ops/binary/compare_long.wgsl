// y[i] = a[..] compared with b[..], 64-bit integers under broadcasting; y is bool.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read        first operand, read by MODE_A
//   2        b     read        second operand, read by MODE_B
//   3        y     read_write  n elements
//
// One invocation computes one element. Memory traffic: one load of each operand and one store an
// element; repeated elements come from the cache.

// use grid
// use i64
// use broadcast

const OP : u32 = 9u; // knob: 9 10 11 12 13
const SIGNED : bool = true; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, neighbouring axes merged
  a_strides : array<vec4<u32>, 2>, // in elements; 0 where the operand repeats
  b_strides : array<vec4<u32>, 2>,
  n : u32,                         // elements of the result
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> b : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> y : array<u32>;

fn less(u : vec2<u32>, v : vec2<u32>) -> bool {
  if (SIGNED) { return i64_less(u, v); }
  return u64_less(u, v);
}
fn holds(u : vec2<u32>, v : vec2<u32>) -> bool {
  if (OP == 9u) { return i64_equal(u, v); }
  if (OP == 10u) { return less(u, v); }
  if (OP == 11u) { return !less(v, u); }
  if (OP == 12u) { return less(v, u); }
  return !less(u, v);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = broadcast_offsets(i);
  y[i] = select(0u, 1u, holds(a[at.x], b[at.y]));
}
