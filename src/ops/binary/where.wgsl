// y[i] = condition[..] ? a[..] : b[..] under broadcasting, for elements of any kind.
//
//   binding  name       access      what
//   0        p          uniform     Params
//   1        condition  read        bools, by c_strides
//   2        a          read        by a_strides
//   3        b          read        by b_strides
//   4        y          read_write  n elements
//
// One invocation moves one element, bit by bit; only the operand that is chosen is read.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const RANK : u32 = 8u; // knob: 1 2 3 4 5 6 7 8
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  shape : array<vec4<u32>, 2>,     // of the result, neighbouring axes merged
  c_strides : array<vec4<u32>, 2>, // in elements; 0 where the operand repeats
  a_strides : array<vec4<u32>, 2>,
  b_strides : array<vec4<u32>, 2>,
  n : u32,                         // elements of the result
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> condition : array<u32>;
@group(0) @binding(2) var<storage, read> a : array<T>;
@group(0) @binding(3) var<storage, read> b : array<T>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var at = vec3<u32>(0u, 0u, 0u);
  var rest = i;
  for (var k = 0u; k < RANK; k = k + 1u) {
    let d = 7u - k;
    let extent = p.shape[d >> 2u][d & 3u];
    var c = rest;
    if (k + 1u < RANK) {
      let next = rest / extent;
      c = rest - next * extent;
      rest = next;
    }
    at = at + c * vec3<u32>(p.c_strides[d >> 2u][d & 3u], p.a_strides[d >> 2u][d & 3u],
                            p.b_strides[d >> 2u][d & 3u]);
  }
  if (condition[at.x] != 0u) {
    y[i] = a[at.y];
  } else {
    y[i] = b[at.z];
  }
}
