// y[cell, j] = data[cell, j] combined with the updates of the cell, in their order.
//
//   binding  name         access      what
//   0        p            uniform     Params
//   1        data         read        n elements
//   2        updates      read        `size` elements per update
//   3        target_cell  read        cells, one per update
//   4        head         read        lists made by scatter_link
//   5        next         read
//   6        y            read_write  n elements
//
// One invocation computes one element. Order matters only to rounding: of floats, the updates of a
// cell are taken by increasing number, looking through its list for each (d*d steps for d updates)
// or, when that would be more, through all targets. So the result is the same on every run. Memory
// traffic beyond data and result: the updates once, the lists `size` times. Precision: float32,
// rounded to T at each step; integers wrap to BITS bits.

// use grid

alias T = f32; // knob: f32 f16 i32 u32
// 1 add, 2 mul, 3 max, 4 min
const OP : u32 = 1u; // knob: 1 2 3 4
const FLOAT : bool = true; // knob: any
alias I = i32; // knob: i32 u32
// Width of a narrow integer; 32: no wrapping, 1: bool.
const BITS : u32 = 8u; // knob: 1 2 4 8 16 32
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  size : u32,    // elements of a cell
  updates : u32, // in all
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> data : array<T>;
@group(0) @binding(2) var<storage, read> updates : array<T>;
@group(0) @binding(3) var<storage, read> target_cell : array<u32>;
@group(0) @binding(4) var<storage, read> head : array<u32>;
@group(0) @binding(5) var<storage, read> next : array<u32>;
@group(0) @binding(6) var<storage, read_write> y : array<T>;

fn is_nan(v : T) -> bool {
  return FLOAT && (bitcast<u32>(f32(v)) & 0x7fffffffu) > 0x7f800000u;
}

fn wrapped(v : T) -> T {
  if (FLOAT || BITS == 32u) { return v; }
  if (BITS == 1u) { return select(T(0), T(1), v != T(0)); }
  // Shifting up and down again keeps the sign of i32 and the zeros of u32.
  return T((I(v) << (32u - BITS)) >> (32u - BITS));
}

fn combine(a : T, b : T) -> T {
  if (OP == 1u) { return a + b; }
  if (OP == 2u) { return a * b; }
  if (is_nan(a)) { return a; }
  if (is_nan(b)) { return b; }
  if (OP == 3u) { return max(a, b); }
  return min(a, b);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let cell = i / p.size;
  let j = i % p.size;
  var total = data[i];
  let first = head[cell];
  if (!FLOAT || OP >= 3u) {
    for (var u = first; u != 0u; u = next[u - 1u]) {
      total = wrapped(combine(total, updates[(u - 1u) * p.size + j]));
    }
    y[i] = total;
    return;
  }
  var count = 0u;
  for (var u = first; u != 0u; u = next[u - 1u]) { count++; }
  if (count < 65536u && count * count <= p.updates + 64u) {
    var done = 0u;
    for (var k = 0u; k < count; k++) {
      var best = 0xffffffffu;
      for (var u = first; u != 0u; u = next[u - 1u]) {
        if (u > done) { best = min(best, u); }
      }
      total = combine(total, updates[(best - 1u) * p.size + j]);
      done = best;
    }
  } else {
    for (var u = 0u; u < p.updates; u++) {
      if (target_cell[u] == cell) { total = combine(total, updates[u * p.size + j]); }
    }
  }
  y[i] = total;
}
