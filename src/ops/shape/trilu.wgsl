// The upper or lower triangle of matrices: y = x where column - row is at least (UPPER) or at most
// k, and zero elsewhere.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements, matrices of rows x columns
//   2        k     read        the diagonal, one integer of K_WORDS words; zeros when absent
//   3        y     read_write  n elements
//
// One invocation computes one element. Memory traffic: each kept element is read once, every one
// written once.

// use grid

alias T = u32; // knob: u32 f16 vec2<u32>
const UPPER : bool = true; // knob: any
const K_WORDS : u32 = 2u; // knob: 1 2
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  rows : u32,
  columns : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> k : array<u32>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

// k, with what lies beyond every matrix drawn in, so that sums don't overflow.
fn diagonal() -> i32 {
  let low = bitcast<i32>(k[0]);
  var high = low >> 31u;
  if (K_WORDS == 2u) { high = bitcast<i32>(k[1]); }
  if (high != (low >> 31u)) { return select(0x3fffffff, -0x3fffffff, high < 0); }
  return clamp(low, -0x3fffffff, 0x3fffffff);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let at = i32(i % p.columns) - i32(i / p.columns % p.rows);
  let d = diagonal();
  let kept = select(at <= d, at >= d, UPPER);
  if (kept) {
    y[i] = x[i];
  } else {
    y[i] = T();
  }
}
