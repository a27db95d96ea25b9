// Determinants of small square matrices, by elimination with row exchange.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        matrices of n x n
//   2        y     read_write  one number each
//
// One workgroup handles one matrix of at most 60 x 60 (14.4 KiB of workgroup memory); its
// invocations share the elements of each step. Memory traffic: each matrix is read once. Precision:
// float32.

// use grid

alias T = f32; // knob: f32 f16
// Of workgroup memory, at least n n.
const WORDS : u32 = 3600u; // knob: 64 256 1024 3600
const WG : u32 = 64u; // knob: 64 128 256

struct Params {
  matrices : u32,
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

var<workgroup> m : array<f32, WORDS>;
var<workgroup> pivot_row : u32;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg);
  if (group >= p.matrices) { return; }
  let n = p.n;
  for (var i = lid; i < n * n; i += WG) { m[i] = f32(x[group * n * n + i]); }
  workgroupBarrier();
  var determinant = 1.0;
  for (var k = 0u; k < n; k++) {
    if (lid == 0u) {
      var best = k;
      for (var row = k + 1u; row < n; row++) {
        if (abs(m[row * n + k]) > abs(m[best * n + k])) { best = row; }
      }
      pivot_row = best;
    }
    workgroupBarrier();
    let best = pivot_row;
    if (best != k) {
      for (var column = k + lid; column < n; column += WG) {
        let v = m[k * n + column];
        m[k * n + column] = m[best * n + column];
        m[best * n + column] = v;
      }
      determinant = -determinant;
    }
    workgroupBarrier();
    let pivot = m[k * n + k];
    determinant = determinant * pivot;
    // What lies in column k itself is not looked at again.
    let left = n - k - 1u;
    for (var i = lid; i < left * left; i += WG) {
      let row = k + 1u + i / left;
      let column = k + 1u + i % left;
      if (pivot != 0.0) { m[row * n + column] -= m[row * n + k] / pivot * m[k * n + column]; }
    }
    workgroupBarrier();
  }
  if (lid == 0u) { y[group] = T(determinant); }
}
