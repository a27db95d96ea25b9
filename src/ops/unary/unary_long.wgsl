// y[i] = f(x[i]) for one function f of 64-bit integers.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        y     read_write  n elements
//
// One invocation computes one element; each is read once and written once. Exact; results wrap.

// use grid
// use i64

const OP : u32 = 0u; // knob: 0 1 2 3 4 5
const SIGNED : bool = true; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32, // elements
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> y : array<vec2<u32>>;

fn apply(v : vec2<u32>) -> vec2<u32> {
  let below = SIGNED && i64_is_negative(v);
  let zero = vec2<u32>(0u, 0u);
  if (OP == 1u) { return select(v, i64_neg(v), below); }  // Abs
  if (OP == 2u) { return i64_neg(v); }                    // Neg
  if (OP == 3u) {                                         // Sign
    if (i64_is_zero(v)) { return zero; }
    return select(vec2<u32>(1u, 0u), vec2<u32>(0xffffffffu, 0xffffffffu), below);
  }
  if (OP == 4u) { return select(v, zero, below); }  // Relu
  if (OP == 5u) { return ~v; }                      // BitwiseNot
  return v;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  y[i] = apply(x[i]);
}
