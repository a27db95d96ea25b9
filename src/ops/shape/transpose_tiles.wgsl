// Swaps two axes through workgroup memory: y[b, k, l] = x[b, l, k] in the sense that k is the axis
// along which x is contiguous and l the one along which y is; b stands for all other axes.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        source
//   2        y     read_write  destination
//
// One workgroup moves one tile of 32 x 32 elements: rows of x are read along k, rows of y written
// along l, both coalesced. One invocation moves four elements. Memory traffic: each element is read
// once and written once. Workgroup memory: 32 x 33 elements, the odd row length keeping columns in
// different banks (4.2 KiB, 8.4 KiB for 64-bit elements).

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const AXES : u32 = 6u; // knob: any

// The other axes are right-aligned in six places of eight.
struct Params {
  shape : array<vec4<u32>, 2>,
  from_stride : array<vec4<u32>, 2>,
  to_stride : array<vec4<u32>, 2>,
  batches : u32, // product of the other axes
  k_extent : u32,
  l_extent : u32,
  l_from : u32,  // stride of l in x
  k_to : u32,    // stride of k in y
  k_tiles : u32, // ceil(k_extent / 32)
  l_tiles : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

var<workgroup> tile : array<T, 1056>;

@compute @workgroup_size(32, 8)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_id) local : vec3<u32>) {
  let group = workgroup_index(wid, nwg);
  let per_batch = p.k_tiles * p.l_tiles;
  if (group >= p.batches * per_batch) { return; }
  var rest = group / per_batch;
  let in_batch = group % per_batch;
  let k0 = in_batch % p.k_tiles * 32u;
  let l0 = in_batch / p.k_tiles * 32u;
  var from_base = 0u;
  var to_base = 0u;
  for (var a = 0u; a < AXES; a++) {
    let axis = 7u - a;
    let extent = p.shape[axis / 4u][axis % 4u];
    let at = rest % extent;
    rest = rest / extent;
    from_base += at * p.from_stride[axis / 4u][axis % 4u];
    to_base += at * p.to_stride[axis / 4u][axis % 4u];
  }
  for (var r = local.y; r < 32u; r += 8u) {
    let l = l0 + r;
    let k = k0 + local.x;
    if (l < p.l_extent && k < p.k_extent) {
      tile[r * 33u + local.x] = x[from_base + l * p.l_from + k];
    }
  }
  workgroupBarrier();
  for (var r = local.y; r < 32u; r += 8u) {
    let k = k0 + r;
    let l = l0 + local.x;
    if (l < p.l_extent && k < p.k_extent) {
      y[to_base + k * p.k_to + l] = tile[local.x * 33u + r];
    }
  }
}
