// y[i] = (a[..] - a_zero) * (b[..] - b_zero) as int32, under broadcasting.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        a       read        first operand, read by MODE_A
//   2        a_zero  read        one, where HAS_A_ZERO
//   3        b       read        second operand, read by MODE_B
//   4        b_zero  read        one, where HAS_B_ZERO
//   5        y       read_write  n elements
//
// One invocation computes one element: one load of each operand and one store. Exact; wraps.

// use grid
// use broadcast

alias A = u32; // knob: i32 u32
alias B = u32; // knob: i32 u32
const HAS_A_ZERO : bool = false; // knob: true false
const HAS_B_ZERO : bool = false; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, neighbouring axes merged
  a_strides : array<vec4<u32>, 2>, // in elements; 0 where the operand repeats
  b_strides : array<vec4<u32>, 2>,
  n : u32,                         // elements of the result
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<A>;
@group(0) @binding(2) var<storage, read> a_zero : array<A>;
@group(0) @binding(3) var<storage, read> b : array<B>;
@group(0) @binding(4) var<storage, read> b_zero : array<B>;
@group(0) @binding(5) var<storage, read_write> y : array<i32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = broadcast_offsets(i);
  var u = i32(a[at.x]);
  var v = i32(b[at.y]);
  if (HAS_A_ZERO) { u = u - i32(a_zero[0]); }
  if (HAS_B_ZERO) { v = v - i32(b_zero[0]); }
  y[i] = u * v;
}
