// y[i] = x[i with the axis' index replaced by index[i]], for every i of the indices' shape.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        source
//   2        index  read        n indices of WORDS words
//   3        y      read_write  n elements
//
// One invocation moves one element. Memory traffic: each index read once, each element of y written
// once, its source read once, scattered. An index out of range gives zero.

// use grid
// use index

alias T = u32; // knob: u32 f16 vec2<u32>
const WORDS : u32 = 2u; // knob: 1 2
const AXES : u32 = 8u; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

// Axes are right-aligned: the innermost is the eighth.
struct Params {
  shape : array<vec4<u32>, 2>,  // of the indices
  stride : array<vec4<u32>, 2>, // of x; 0 for the axis
  n : u32,
  extent : u32,      // of x along the axis
  axis_stride : u32, // of x
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> index : array<u32>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let low = index[i * WORDS];
  var high = index_sign(low);
  if (WORDS == 2u) { high = index[i * WORDS + 1u]; }
  let at = place_index(low, high, p.extent);
  if (at == NO_INDEX) {
    y[i] = T();
    return;
  }
  var rest = i;
  var from_element = at * p.axis_stride;
  for (var k = 0u; k < AXES; k++) {
    let axis = 7u - k;
    let extent = p.shape[axis / 4u][axis % 4u];
    from_element += rest % extent * p.stride[axis / 4u][axis % 4u];
    rest = rest / extent;
  }
  y[i] = x[from_element];
}
