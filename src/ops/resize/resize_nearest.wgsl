// Resize by copying: every element of y is one of x, found axis by axis in a table of offsets.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        the input
//   2        table  read        by axis and position: element offset in x
//   3        y      read_write  n elements
//
// One invocation copies one element. Memory traffic: x at most once per element of y, y once.
// Precision: bits are moved.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const RANK : u32 = 3u; // knob: any
const WG : u32 = 256u;

struct Params {
  dims : array<vec4<u32>, 2>,   // of y, the last at index 7
  starts : array<vec4<u32>, 2>, // of each axis' table; all ones: no table, the stride counts
  strides : array<vec4<u32>, 2>, // of x
  n : u32,                      // elements of y
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> table : array<u32>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var rest = i;
  var at = 0u;
  for (var axis = 8u; axis > 8u - RANK; axis--) {
    let a = (axis - 1u) / 4u;
    let b = (axis - 1u) % 4u;
    let o = rest % p.dims[a][b];
    rest /= p.dims[a][b];
    if (p.starts[a][b] == 0xffffffffu) {
      at += o * p.strides[a][b];
    } else {
      at += table[p.starts[a][b] + o];
    }
  }
  y[i] = x[at];
}
