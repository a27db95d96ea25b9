// DepthToSpace and SpaceToDepth: a fixed permutation of x, read by strides.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        y     read_write  n elements
//
// One invocation moves one element. Memory traffic: x once, y once. Bits are moved.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const WG : u32 = 256u;

struct Params {
  dims : array<vec4<u32>, 2>,    // y seen as six axes, at indices 2 to 7
  strides : array<vec4<u32>, 2>, // in x
  n : u32,                       // elements
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var rest = i;
  var at = 0u;
  for (var axis = 8u; axis > 2u; axis--) {
    let a = (axis - 1u) / 4u;
    let b = (axis - 1u) % 4u;
    at += rest % p.dims[a][b] * p.strides[a][b];
    rest /= p.dims[a][b];
  }
  y[i] = x[at];
}
