// Running sums or products of 64-bit integers along an axis.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [outer, length, inner]
//   2        y     read_write  the same
//
// One invocation runs along one line; neighbours read neighbours where the axis is not the
// innermost. Memory traffic: each element is read once and written once. Results wrap modulo 2^64.

// use grid
// use i64

const PRODUCT : bool = false; // knob: any
const EXCLUSIVE : bool = false; // knob: any
const REVERSE : bool = false; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  lines : u32,
  length : u32,
  inner : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> y : array<vec2<u32>>;

fn combine(a : vec2<u32>, b : vec2<u32>) -> vec2<u32> {
  if (PRODUCT) { return i64_mul(a, b); }
  return i64_add(a, b);
}

fn place(base : u32, step : u32) -> u32 {
  return base + select(step, p.length - 1u - step, REVERSE) * p.inner;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let line = workgroup_index(wid, nwg) * WG + lid;
  if (line >= p.lines) { return; }
  let base = line / p.inner * p.length * p.inner + line % p.inner;
  var running = vec2<u32>(select(0u, 1u, PRODUCT), 0u);
  for (var s = 0u; s < p.length; s++) {
    let i = place(base, s);
    let next = combine(running, x[i]);
    y[i] = select(next, running, EXCLUSIVE);
    running = next;
  }
}
