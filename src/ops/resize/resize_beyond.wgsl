// tf_crop_and_resize: elements whose place lies beyond the input on any axis take the extrapolation
// value.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        beyond  read        by axis and position: 1 where the place is beyond the input
//   2        fill    read        one element: the value
//   3        y       read_write  n elements
//
// One invocation looks at one element. Memory traffic: y's part that changes, once.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const RANK : u32 = 4u; // knob: any
const WG : u32 = 256u;

struct Params {
  dims : array<vec4<u32>, 2>,   // of y, the last at index 7
  starts : array<vec4<u32>, 2>, // of each axis' table; all ones: nothing is beyond
  n : u32,                      // elements of y
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> beyond : array<u32>;
@group(0) @binding(2) var<storage, read> fill : array<T>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var rest = i;
  var outside = false;
  for (var axis = 8u; axis > 8u - RANK; axis--) {
    let a = (axis - 1u) / 4u;
    let b = (axis - 1u) % 4u;
    let o = rest % p.dims[a][b];
    rest /= p.dims[a][b];
    if (p.starts[a][b] != 0xffffffffu) {
      outside = outside || beyond[p.starts[a][b] + o] != 0u;
    }
  }
  if (outside) { y[i] = fill[0]; }
}
