// y[target[u], :] = updates[u, :] for the updates that are the last of their cell.
//
//   binding  name         access      what
//   0        p            uniform     Params
//   1        updates      read        n units
//   2        target_cell  read        cells, one per update
//   3        last         read        per cell, its last update plus 1
//   4        y            read_write  the result, holding the data already
//
// One invocation moves one unit T. Memory traffic: each unit of the updates is read once and, unless
// a later update wins, written once. The outcome does not depend on the order of execution.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32> vec4<u32>
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  size : u32, // units of a cell
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> updates : array<T>;
@group(0) @binding(2) var<storage, read> target_cell : array<u32>;
@group(0) @binding(3) var<storage, read> last : array<u32>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let u = i / p.size;
  let cell = target_cell[u];
  if (cell == 0xffffffffu || last[cell] != u + 1u) { return; }
  y[cell * p.size + i % p.size] = updates[i];
}
