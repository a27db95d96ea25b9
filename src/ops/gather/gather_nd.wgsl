// Slices picked by index tuples: y[t, :] = x[batch of t, index[t, 0], index[t, 1] ..., :].
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        source
//   2        index  read        tuples of DEPTH indices of WORDS words
//   3        y      read_write  n units
//
// One invocation moves one unit T. Memory traffic: each unit of y is written once and its source
// read once; a tuple is read by all invocations of its slice. An index out of range gives zeros.

// use grid
// use index

alias T = u32; // knob: u32 f16 vec2<u32> vec4<u32>
const WORDS : u32 = 2u; // knob: 1 2
const DEPTH : u32 = 1u; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  extent : array<vec4<u32>, 2>, // of the axes that the tuples address, from the first
  stride : array<vec4<u32>, 2>, // in units
  n : u32,
  size : u32,        // units of a slice
  per_batch : u32,   // tuples in a batch
  batch_units : u32, // units of a batch of x
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
  let tuple = i / p.size;
  var from_unit = tuple / p.per_batch * p.batch_units + i % p.size;
  var valid = true;
  for (var k = 0u; k < DEPTH; k++) {
    let word = (tuple * DEPTH + k) * WORDS;
    let low = index[word];
    var high = index_sign(low);
    if (WORDS == 2u) { high = index[word + 1u]; }
    let at = place_index(low, high, p.extent[k / 4u][k % 4u]);
    valid = valid && at != NO_INDEX;
    from_unit += at * p.stride[k / 4u][k % 4u];
  }
  if (valid) {
    y[i] = x[from_unit];
  } else {
    y[i] = T();
  }
}
