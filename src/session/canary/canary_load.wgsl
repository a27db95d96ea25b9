// Self-test, second half: reads back what canary_store has spread over a big buffer.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        buffer  read        words
//   2        y       read_write  samples words
//
// One invocation reads one sample. Memory traffic: one read, one write. Precision: exact.

// use grid

struct Params {
  samples : u32, // tail included
  tail : u32,
  stride : u32,  // words
  words : u32,   // of the buffer
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> buffer : array<u32>;
@group(0) @binding(2) var<storage, read_write> y : array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let j = workgroup_index(wid, nwg) * 64u + lid;
  if (j >= p.samples) { return; }
  var at = j * p.stride;
  if (j >= p.samples - p.tail) { at = p.words - (p.samples - j); }
  y[j] = buffer[at];
}
