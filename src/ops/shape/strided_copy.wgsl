// y[to_at + sum i*to_stride] = x[from_at + sum i*from_stride] for every index i of an N-d box: what
// slices, transpositions, broadcasts, joins and splits come down to.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        source
//   2        y     read_write  destination
//
// One invocation moves one unit T, which may be several elements when the innermost strides are 1.
// Strides may be zero or negative. Memory traffic: each unit of the box is read once and written
// once. Nothing is computed, so every bit pattern arrives as it was.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32> vec4<u32>
const AXES : u32 = 8u; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

// Axes are right-aligned: the innermost is the eighth.
struct Params {
  shape : array<vec4<u32>, 2>,
  from_stride : array<vec4<i32>, 2>,
  to_stride : array<vec4<i32>, 2>,
  n : u32,       // units in the box
  from_at : u32, // where index 0 lies in x
  to_at : u32,   // and in y
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
  var from_unit = i32(p.from_at);
  var to_unit = i32(p.to_at);
  for (var k = 0u; k < AXES; k++) {
    let axis = 7u - k;
    let extent = p.shape[axis / 4u][axis % 4u];
    var at = rest;
    // The outermost index needs no division.
    if (k + 1u < AXES) {
      rest = at / extent;
      at = at - rest * extent;
    }
    from_unit += i32(at) * p.from_stride[axis / 4u][axis % 4u];
    to_unit += i32(at) * p.to_stride[axis / 4u][axis % 4u];
  }
  y[to_unit] = x[from_unit];
}
