// A cache with an update written into it, batch by batch: y = cache, but from write[b] on along the
// axis the update.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        cache   read        n elements: [outer, extent, inner]
//   2        update  read        [outer, length, inner]
//   3        write   read        per batch where to begin, WORDS words; zeros when absent
//   4        y       read_write  n elements
//
// One invocation computes one element. Memory traffic: cache or update is read once per element of
// y. A write position out of range leaves the cache as it is.

// use grid
// use index

alias T = u32; // knob: u32 f16 vec2<u32>
const WORDS : u32 = 2u; // knob: 1 2
const HAS_WRITE : bool = true; // knob: any
const CIRCULAR : bool = false; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  extent : u32,
  length : u32,
  inner : u32,
  per_batch : u32, // lines of the axis in a batch, inner not counted
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> cache : array<T>;
@group(0) @binding(2) var<storage, read> update_rows : array<T>;
@group(0) @binding(3) var<storage, read> write_at : array<u32>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let row = i / p.inner;
  let outer = row / p.extent;
  let at = i32(row % p.extent);
  let extent = i32(p.extent);
  var begin = 0;
  var valid = true;
  if (HAS_WRITE) {
    let batch = outer / p.per_batch;
    let low = write_at[batch * WORDS];
    var high = index_sign(low);
    if (WORDS == 2u) { high = write_at[batch * WORDS + 1u]; }
    begin = bitcast<i32>(low);
    valid = high == index_sign(low);
    if (CIRCULAR) {
      begin = begin % extent;
      if (begin < 0) { begin += extent; }
    } else {
      valid = valid && begin >= 0 && begin <= extent - i32(p.length);
    }
  }
  var step = at - begin;
  if (CIRCULAR && step < 0) { step += extent; }
  if (valid && step >= 0 && u32(step) < p.length) {
    y[i] = update_rows[(outer * p.length + u32(step)) * p.inner + i % p.inner];
  } else {
    y[i] = cache[i];
  }
}
