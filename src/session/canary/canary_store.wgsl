// Self-test, first half: words spread over a big buffer, each with a value of its own.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        seed    read        1 word
//   2        buffer  read_write  words; sample j lies at j * stride, the last `tail` at the very end
//
// One invocation writes one sample. Memory traffic: one write. Precision: exact. A buffer whose
// addresses wrap around holds the value of a later sample in the place of an earlier one.

// use grid
// use mix32

struct Params {
  samples : u32, // tail included
  tail : u32,
  stride : u32,  // words
  words : u32,   // of the buffer
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> seed : array<u32>;
@group(0) @binding(2) var<storage, read_write> buffer : array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let j = workgroup_index(wid, nwg) * 64u + lid;
  if (j >= p.samples) { return; }
  var at = j * p.stride;
  if (j >= p.samples - p.tail) { at = p.words - (p.samples - j); }
  buffer[at] = mix32(j ^ seed[0]);
}
