// Collects up to three scales and zero points, one each, into one small buffer: the operators on
// quantized tensors have more operands than a shader may bind.
//
//   binding  name            access      what
//   1..3     s0 s1 s2        read        scales
//   4..6     z0 z1 z2        read        zero points, where Z_GIVEN has the bit
//   7        pack            read_write  s0 s1 s2 z0 z1 z2 as float32
//
// One invocation does it all. Zero points have at most 16 bits, so float32 holds them exactly.

alias S = f32; // knob: f32 f16
alias Z0 = u32; // knob: i32 u32
alias Z1 = u32; // knob: i32 u32
alias Z2 = u32; // knob: i32 u32
const Z_GIVEN : u32 = 7u; // knob: 0 1 2 3 4 5 6 7

@group(0) @binding(1) var<storage, read> s0 : array<S>;
@group(0) @binding(2) var<storage, read> s1 : array<S>;
@group(0) @binding(3) var<storage, read> s2 : array<S>;
@group(0) @binding(4) var<storage, read> z0 : array<Z0>;
@group(0) @binding(5) var<storage, read> z1 : array<Z1>;
@group(0) @binding(6) var<storage, read> z2 : array<Z2>;
@group(0) @binding(7) var<storage, read_write> pack : array<f32>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) wid : vec3<u32>) {
  if (wid.x + wid.y + wid.z != 0u) { return; }
  pack[0] = f32(s0[0]);
  pack[1] = f32(s1[0]);
  pack[2] = f32(s2[0]);
  pack[3] = select(0.0, f32(z0[0]), (Z_GIVEN & 1u) != 0u);
  pack[4] = select(0.0, f32(z1[0]), (Z_GIVEN & 2u) != 0u);
  pack[5] = select(0.0, f32(z2[0]), (Z_GIVEN & 4u) != 0u);
}
