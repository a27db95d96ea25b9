// Where each update of a scatter goes: target[u] = cell, or 0xffffffff when an index is out of
// range. BY_TUPLE: update u has a tuple of DEPTH indices that addresses the leading axes.
// Otherwise it has one index along an axis, and the rest of its own position.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        index   read        indices of WORDS words
//   2        target  read_write  n cells
//
// One invocation finds one target. Memory traffic: every index is read once, every target written.

// use grid
// use index

const WORDS : u32 = 2u; // knob: 1 2
const BY_TUPLE : bool = true; // knob: any
const DEPTH : u32 = 1u; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

// By tuple: extents and strides of the addressed axes, from the first, strides in cells.
// By axis: right-aligned, shape of the indices and strides of the result (0 for the axis).
struct Params {
  extent : array<vec4<u32>, 2>,
  stride : array<vec4<u32>, 2>,
  n : u32,
  axis_extent : u32,
  axis_stride : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> index : array<u32>;
@group(0) @binding(2) var<storage, read_write> target_cell : array<u32>;

fn placed(i : u32, extent : u32) -> u32 {
  let low = index[i * WORDS];
  var high = index_sign(low);
  if (WORDS == 2u) { high = index[i * WORDS + 1u]; }
  return place_index(low, high, extent);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let u = workgroup_index(wid, nwg) * WG + lid;
  if (u >= p.n) { return; }
  var cell = 0u;
  var valid = true;
  if (BY_TUPLE) {
    for (var k = 0u; k < DEPTH; k++) {
      let at = placed(u * DEPTH + k, p.extent[k / 4u][k % 4u]);
      valid = valid && at != NO_INDEX;
      cell += at * p.stride[k / 4u][k % 4u];
    }
  } else {
    let at = placed(u, p.axis_extent);
    valid = at != NO_INDEX;
    cell = at * p.axis_stride;
    var rest = u;
    for (var k = 0u; k < DEPTH; k++) {
      let axis = 7u - k;
      let extent = p.extent[axis / 4u][axis % 4u];
      cell += rest % extent * p.stride[axis / 4u][axis % 4u];
      rest = rest / extent;
    }
  }
  target_cell[u] = select(NO_INDEX, cell, valid);
}
