// Scores of a linear model: y[row, t] = intercept[t] + sum over c of x[row, c] * coefficient[t, c],
// through the logistic function when LOGISTIC.
//
//   binding  name          access      what
//   0        p             uniform     Params
//   1        x             read        rows x columns
//   2        coefficients  read        targets x columns
//   3        intercepts    read        targets
//   4        y             read_write  rows x targets
//
// One invocation computes one score in a plain loop. Memory traffic: a row of x and one of the
// coefficients per score, mostly out of the cache. Precision: float32; exp's argument is never
// positive.

// use grid

alias T = f32; // knob: f32 f16 i32
const LOGISTIC : bool = false; // knob: any
const WG : u32 = 64u; // knob: 64 128 256

struct Params {
  n : u32,
  columns : u32,
  targets : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> coefficients : array<f32>;
@group(0) @binding(3) var<storage, read> intercepts : array<f32>;
@group(0) @binding(4) var<storage, read_write> y : array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let row = i / p.targets;
  let goal = i % p.targets;
  var sum = intercepts[goal];
  for (var c = 0u; c < p.columns; c++) {
    sum += f32(x[row * p.columns + c]) * coefficients[goal * p.columns + c];
  }
  if (LOGISTIC) {
    let e = exp(-min(abs(sum), 80.0));
    sum = select(e, 1.0, sum >= 0.0) / (1.0 + e);
  }
  y[i] = sum;
}
