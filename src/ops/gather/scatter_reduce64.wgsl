// y[cell, j] = data[cell, j] combined with the updates of the cell, in 64-bit integers.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        data     read        n elements
//   2        updates  read        `size` elements per update
//   3        head     read        lists made by scatter_link
//   4        next     read
//   5        y        read_write  n elements
//
// One invocation computes one element, walking its cell's list; the order does not matter to
// integers, which wrap modulo 2^64. Memory traffic beyond data and result: the updates once, the
// lists `size` times.

// use grid
// use i64

// 1 add, 2 mul, 3 max, 4 min
const OP : u32 = 1u; // knob: 1 2 3 4
const SIGNED : bool = true; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  size : u32, // elements of a cell
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> data : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> updates : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> head : array<u32>;
@group(0) @binding(4) var<storage, read> next : array<u32>;
@group(0) @binding(5) var<storage, read_write> y : array<vec2<u32>>;

fn combine(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  if (OP == 1u) { return i64_add(a, b); }
  if (OP == 2u) { return i64_mul(a, b); }
  if (OP == 3u) {
    if (SIGNED) { return i64_max(a, b); }
    return u64_max(a, b);
  }
  if (SIGNED) { return i64_min(a, b); }
  return u64_min(a, b);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var total = data[i];
  for (var u = head[i / p.size]; u != 0u; u = next[u - 1u]) {
    total = combine(total, updates[(u - 1u) * p.size + i % p.size]);
  }
  y[i] = total;
}
