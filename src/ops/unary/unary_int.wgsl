// y[i] = f(x[i]) for one function f of integers of at most 32 bits, or of bools.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        y     read_write  n elements
//
// One invocation computes one element; each is read once and written once. Results wrap to the
// width of the type: SHIFT bits are shifted out at the top and back in (with the sign where T has
// one).

// use grid

alias T = i32; // knob: i32 u32
const OP : u32 = 0u; // knob: 0 1 2 3 4 5 6
const SHIFT : u32 = 0u; // knob: 0 16 24 28 30
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32, // elements
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

fn apply(v : T) -> T {
  if (OP == 1u) { return select(v, T(0) - v, v < T(0)); }                 // Abs
  if (OP == 2u) { return T(0) - v; }                                      // Neg
  if (OP == 3u) { return select(select(T(1), T(0) - T(1), v < T(0)), T(0), v == T(0)); }  // Sign
  if (OP == 4u) { return max(v, T(0)); }                                  // Relu
  if (OP == 5u) { return ~v; }                                            // BitwiseNot
  if (OP == 6u) { return select(T(0), T(1), v == T(0)); }                 // Not
  return v;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  y[i] = (apply(x[i]) << SHIFT) >> SHIFT;
}
