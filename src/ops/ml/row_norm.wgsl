// Rows divided by their maximum, the sum of their magnitudes, or their Euclidean norm; rows of norm
// 0 stay as they are.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        rows x columns
//   2        y     read_write  the same
//
// NORM 0 maximum, 1 magnitudes, 2 Euclidean. One workgroup handles one row: its invocations take
// turns at the elements, join what they have in a tree, and take turns again. Memory traffic: each
// element is read twice and written once. Precision: float32.

// use grid

alias T = f32; // knob: f32 f16 i32
alias TY = f32; // knob: f32 f16
const NORM : u32 = 0u; // knob: 0 1 2
const WG : u32 = 64u; // knob: 64 128 256

struct Params {
  rows : u32,
  columns : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<TY>;

var<workgroup> partial : array<f32, WG>;

fn combine(a : f32, b : f32) -> f32 {
  if (NORM == 0u) { return max(a, b); }
  return a + b;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let row = workgroup_index(wid, nwg);
  if (row >= p.rows) { return; }
  let base = row * p.columns;
  // The first element stands in where there is none of one's own.
  var total = 0.0;
  if (NORM == 0u) { total = f32(x[base]); }
  for (var c = lid; c < p.columns; c += WG) {
    let v = f32(x[base + c]);
    if (NORM == 0u) {
      total = max(total, v);
    } else if (NORM == 1u) {
      total += abs(v);
    } else {
      total += v * v;
    }
  }
  partial[lid] = total;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lid < half) { partial[lid] = combine(partial[lid], partial[lid + half]); }
    workgroupBarrier();
  }
  var norm = partial[0];
  if (NORM == 2u) { norm = sqrt(norm); }
  if (norm == 0.0) { norm = 1.0; }
  for (var c = lid; c < p.columns; c += WG) { y[base + c] = TY(f32(x[base + c]) / norm); }
}
