// Rows picked by index along an axis: y[o, j, :] = x[o, index[j], :].
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        rows of `inner` units, or a range of them
//   2        index  read        WORDS words each
//   3        y      read_write  n units, perhaps a range of the whole
//
// One invocation moves one unit T. Memory traffic: each unit of y is written once and its source
// read once. A tensor larger than a binding is handled by several dispatches, each with its ranges
// of x and y: an invocation whose row lies in another range does nothing. An index out of range
// gives zeros.

// use grid
// use index

alias T = u32; // knob: u32 f16 vec2<u32> vec4<u32>
const WORDS : u32 = 2u; // knob: 1 2
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,       // units of y in this dispatch
  inner : u32,   // units per row
  picks : u32,   // indices
  extent : u32,  // of the axis
  x_first : u32, // first row bound as x
  x_rows : u32,  // rows bound as x
  y_first : u32, // first row bound as y
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
  let row = p.y_first + i / p.inner;
  let outer = row / p.picks;
  let j = row % p.picks;
  let low = index[j * WORDS];
  var high = index_sign(low);
  if (WORDS == 2u) { high = index[j * WORDS + 1u]; }
  let at = place_index(low, high, p.extent);
  if (at == NO_INDEX) {
    y[i] = T();
    return;
  }
  let from_row = outer * p.extent + at;
  if (from_row < p.x_first || from_row - p.x_first >= p.x_rows) { return; }
  y[i] = x[(from_row - p.x_first) * p.inner + i % p.inner];
}
