// Writes up to eight extents, which the uniform block holds, as 64-bit integers.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        y     read_write  numbers of two words
//
// One workgroup does all; invocation i writes number i.

struct Params {
  values : array<vec4<u32>, 2>,
  first : u32, // where the first of them goes in y
  count : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read_write> y : array<vec2<u32>>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(local_invocation_index) lid : u32) {
  if (wid.x != 0u || lid >= p.count) { return; }
  y[p.first + lid] = vec2<u32>(p.values[lid / 4u][lid % 4u], 0u);
}
