// Writes TopK's results: the elements at the positions found, and the positions as int64.
//
//   binding  name      access      what
//   0        p         uniform     Params
//   1        x         read        the tensor: [outer, extent, inner]
//   2        position  read        [rows, row_stride], rows = outer * inner
//   3        values    read_write  n elements: [outer, k, inner]
//   4        indices   read_write  n numbers of two words
//
// One invocation writes one element and its position. Elements are copied bit by bit.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  k : u32,
  inner : u32,
  extent : u32,
  row_stride : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> position : array<u32>;
@group(0) @binding(3) var<storage, read_write> values : array<T>;
@group(0) @binding(4) var<storage, read_write> indices : array<vec2<u32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let inner = i % p.inner;
  let outer = i / p.inner / p.k;
  let at = position[(outer * p.inner + inner) * p.row_stride + i / p.inner % p.k];
  values[i] = x[(outer * p.extent + at) * p.inner + inner];
  indices[i] = vec2<u32>(at, 0u);
}
