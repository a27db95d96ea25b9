// CenterCropPad: the middle of x in the middle of y, zeros around it.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        the input
//   2        y     read_write  n elements
//
// One invocation makes one element. Memory traffic: the overlap of x once, y once. Bits are moved.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const RANK : u32 = 4u; // knob: any
const WG : u32 = 256u;

struct Params {
  in_dims : array<vec4<u32>, 2>,  // the last at index 7
  out_dims : array<vec4<u32>, 2>, //
  shift : array<vec4<i32>, 2>,    // place in x of y's first element
  n : u32,                        // elements of y
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
  var step = 1u;
  var inside = true;
  for (var axis = 8u; axis > 8u - RANK; axis--) {
    let a = (axis - 1u) / 4u;
    let b = (axis - 1u) % 4u;
    let place = u32(i32(rest % p.out_dims[a][b]) + p.shift[a][b]);
    rest /= p.out_dims[a][b];
    inside = inside && place < p.in_dims[a][b];
    at += place * step;
    step *= p.in_dims[a][b];
  }
  if (inside) {
    y[i] = x[at];
  } else {
    y[i] = T();
  }
}
