// The first length[b] steps of every batch in reverse order, the rest as they are.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        n units: [batches, times, inner] or [times, batches, inner]
//   2        length  read        per batch, WORDS words
//   3        y       read_write  n units
//
// One invocation moves one unit T. Memory traffic: each unit is read once and written once.

// use grid
// use index

alias T = u32; // knob: u32 f16 vec2<u32> vec4<u32>
const WORDS : u32 = 2u; // knob: 1 2
const BATCH_FIRST : bool = false; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  inner : u32,
  batches : u32,
  times : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> length : array<u32>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let row = i / p.inner;
  var batch = row % p.batches;
  var time = row / p.batches;
  if (BATCH_FIRST) {
    batch = row / p.times;
    time = row % p.times;
  }
  let low = length[batch * WORDS];
  // A length beyond the steps there are reverses nothing.
  var count = select(low, 0u, low > p.times);
  if (WORDS == 2u) { count = select(count, 0u, length[batch * WORDS + 1u] != 0u); }
  var from_time = time;
  if (time < count) { from_time = count - 1u - time; }
  var from_row = from_time * p.batches + batch;
  if (BATCH_FIRST) { from_row = batch * p.times + from_time; }
  y[i] = x[from_row * p.inner + i % p.inner];
}
