// Self-test: more workgroups than one dimension holds.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        seed  read        1 word
//   2        y     read_write  n words: y[i] = mix32(i ^ seed)
//
// One workgroup of one invocation writes one word. Memory traffic: one write. Precision: exact.

// use grid
// use mix32

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> seed : array<u32>;
@group(0) @binding(2) var<storage, read_write> y : array<u32>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>) {
  let i = workgroup_index(wid, nwg);
  if (i >= p.n) { return; }
  y[i] = mix32(i ^ seed[0]);
}
