// Which updates meet in a cell. LINK: every cell gets a list of its updates, head[cell] the number
// of one of them plus 1 (0: none) and next[u] that of another. Otherwise head[cell] becomes that of
// the last update, and next is not touched.
//
//   binding  name         access      what
//   0        p            uniform     Params
//   1        target_cell  read        n cells
//   2        head         read_write  one word per cell, zero before
//   3        next         read_write  n words
//
// One invocation handles one update with one atomic operation. The order within a list is that of
// chance; whoever walks it must not depend on it.

// use grid

const LINK : bool = true; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> target_cell : array<u32>;
@group(0) @binding(2) var<storage, read_write> head : array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> next : array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let u = workgroup_index(wid, nwg) * WG + lid;
  if (u >= p.n) { return; }
  let cell = target_cell[u];
  if (cell == 0xffffffffu) { return; }
  if (LINK) {
    next[u] = atomicExchange(&head[cell], u + 1u);
  } else {
    next[u] = atomicMax(&head[cell], u + 1u);
  }
}
