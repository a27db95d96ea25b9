// Inverts small square matrices by elimination with row exchange.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        matrices of n x n
//   2        y     read_write  inverses of n x n
//
// One workgroup handles one matrix of at most 45 x 45 (the matrix and the unit matrix beside
// it: 16.2 kB of workgroup memory); its invocations share the elements of each step. Memory
// traffic: each matrix is read once and its result written once. Precision: float32. A singular
// matrix has no inverse: infinities or NaN are written then.

// use grid

alias T = f32; // knob: f32 f16
// Of workgroup memory, at least 2 n n.
const WORDS : u32 = 4050u; // knob: 128 512 2048 4050
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
  let width = 2u * n;
  for (var i = lid; i < n * width; i += WG) {
    let row = i / width;
    let column = i % width;
    if (column < n) {
      m[row * width + column] = f32(x[(group * n + row) * n + column]);
    } else {
      m[row * width + column] = select(0.0, 1.0, column - n == row);
    }
  }
  workgroupBarrier();
  for (var k = 0u; k < n; k++) {
    if (lid == 0u) {
      var best = k;
      for (var row = k + 1u; row < n; row++) {
        if (abs(m[row * width + k]) > abs(m[best * width + k])) { best = row; }
      }
      pivot_row = best;
    }
    workgroupBarrier();
    let best = pivot_row;
    if (best != k) {
      for (var column = lid; column < width; column += WG) {
        let v = m[k * width + column];
        m[k * width + column] = m[best * width + column];
        m[best * width + column] = v;
      }
    }
    workgroupBarrier();
    let pivot = m[k * width + k];
    // Columns up to k are not looked at again, so elimination starts behind them.
    let columns = width - k - 1u;
    for (var i = lid; i < n * columns; i += WG) {
      let row = i / columns;
      let column = k + 1u + i % columns;
      if (row == k) { continue; }
      m[row * width + column] -= m[row * width + k] / pivot * m[k * width + column];
    }
    workgroupBarrier();
    for (var column = k + 1u + lid; column < width; column += WG) {
      m[k * width + column] = m[k * width + column] / pivot;
    }
    workgroupBarrier();
  }
  for (var i = lid; i < n * n; i += WG) {
    y[group * n * n + i] = T(m[i / n * width + n + i % n]);
  }
}
