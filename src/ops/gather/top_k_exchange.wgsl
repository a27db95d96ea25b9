// One step of a bitonic network over long rows: places a and a + distance of every row exchange
// their elements when they are in the wrong order.
//
//   binding  name      access      what
//   0        p         uniform     Params
//   1        keys      read_write  keys (two words when WIDE): [rows, n], n a power of two
//   2        position  read_write  and their positions along the axis
//
// One invocation handles one pair. Memory traffic: all keys and positions are read once, those out
// of order written.

// use grid

const WIDE : bool = false; // knob: any
const WG : u32 = 256u; // knob: 64 128 256
const WORDS : u32 = select(1u, 2u, WIDE);

struct Params {
  pairs : u32,    // rows * n / 2
  n : u32,
  stage : u32,    // length of the sequences being merged: places with this bit run worst first
  distance : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read_write> keys : array<u32>;
@group(0) @binding(2) var<storage, read_write> position : array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.pairs) { return; }
  let t = i % (p.n / 2u);
  let place = 2u * t - (t & (p.distance - 1u));
  let a = i / (p.n / 2u) * p.n + place;
  let b = a + p.distance;
  let pa = position[a];
  let pb = position[b];
  let ka = keys[a * WORDS];
  let kb = keys[b * WORDS];
  var la = 0u;
  var lb = 0u;
  if (WIDE) {
    la = keys[a * WORDS + 1u];
    lb = keys[b * WORDS + 1u];
  }
  var b_before = pb < pa;
  if (ka != kb) {
    b_before = kb > ka;
  } else if (la != lb) {
    b_before = lb > la;
  }
  if (b_before != ((place & p.stage) == 0u)) { return; }
  position[a] = pb;
  position[b] = pa;
  keys[a * WORDS] = kb;
  keys[b * WORDS] = ka;
  if (WIDE) {
    keys[a * WORDS + 1u] = lb;
    keys[b * WORDS + 1u] = la;
  }
}
