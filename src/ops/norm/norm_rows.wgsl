// Normalization of rows: v = x + skip + extra, y = (v - mean) / sqrt(variance + epsilon) * scale +
// shift (CENTRED), or the same about 0 (RMS).
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        [rows, n]
//   2        skip   read        repeats after skip_n elements
//   3        extra  read        [n]
//   4        scale  read        by column, or by strides over the whole shape
//   5        shift  read        the same
//   6        y      read_write  STORE 0: [rows, n]; 1: the rows' means, 2: 1 / deviation: [rows]
//   7        total  read_write  [rows, n]: v, where KEEP_TOTAL
//
// One workgroup computes one row; an invocation takes every WG-th element. Memory traffic: the row
// is read three times (mean, squared distances, result), from the cache after the first. Precision:
// float32, mean first and squared distances second, so nothing cancels.

// use grid
// use group_sum

alias TX = f32; // knob: f32 f16
alias TS = f32; // knob: f32 f16
alias TY = f32; // knob: f32 f16
const WG : u32 = 256u; // knob: 64 256
const CENTRED : bool = true; // knob: any
const HAS_SKIP : bool = false; // knob: any
const HAS_EXTRA : bool = false; // knob: any
const SCALE : u32 = 0u; // knob: 0 1 2
const SHIFT : u32 = 0u; // knob: 0 1 2
const STORE : u32 = 0u; // knob: 0 1 2
const KEEP_TOTAL : bool = false; // knob: any

struct Params {
  shape : array<vec4<u32>, 2>,       // of x, for SCALE and SHIFT 2
  scale_step : array<vec4<u32>, 2>,
  shift_step : array<vec4<u32>, 2>,
  rows : u32,
  n : u32,
  skip_n : u32,
  epsilon : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<TX>;
@group(0) @binding(2) var<storage, read> skip : array<TX>;
@group(0) @binding(3) var<storage, read> extra : array<TX>;
@group(0) @binding(4) var<storage, read> scale : array<TS>;
@group(0) @binding(5) var<storage, read> shift : array<TS>;
@group(0) @binding(6) var<storage, read_write> y : array<TY>;
@group(0) @binding(7) var<storage, read_write> total : array<TX>;

fn value(at : u32, column : u32) -> f32 {
  var v = f32(x[at]);
  if (HAS_SKIP) { v += f32(skip[at % p.skip_n]); }
  if (HAS_EXTRA) { v += f32(extra[column]); }
  return v;
}

fn strided(at : u32, is_scale : bool) -> u32 {
  var rest = at;
  var offset = 0u;
  for (var i = 0u; i < 8u; i++) {
    let axis = 7u - i;
    let extent = p.shape[axis / 4u][axis % 4u];
    let step = select(p.shift_step[axis / 4u][axis % 4u], p.scale_step[axis / 4u][axis % 4u],
                      is_scale);
    offset += rest % extent * step;
    rest /= extent;
  }
  return offset;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let row = workgroup_index(wid, nwg);
  if (row >= p.rows) { return; }
  let base = row * p.n;
  let count = f32(max(p.n, 1u));
  var mean = 0.0;
  if (CENTRED) {
    var sum = 0.0;
    for (var i = lid; i < p.n; i += WG) { sum += value(base + i, i); }
    mean = summed(lid, sum) / count;
  }
  var squares = 0.0;
  for (var i = lid; i < p.n; i += WG) {
    let d = value(base + i, i) - mean;
    squares += d * d;
  }
  let variance = summed(lid, squares) / count;
  // Rows of no elements have the statistics 0.
  let inverse = select(1.0 / sqrt(variance + p.epsilon), 0.0, p.n == 0u);
  if (STORE != 0u) {
    if (lid == 0u) { y[row] = TY(select(inverse, mean, STORE == 1u)); }
    return;
  }
  for (var i = lid; i < p.n; i += WG) {
    let at = base + i;
    let v = value(at, i);
    if (KEEP_TOTAL) { total[at] = TX(v); }
    var r = (v - mean) * inverse;
    if (SCALE == 1u) { r *= f32(scale[i]); }
    if (SCALE == 2u) { r *= f32(scale[strided(at, true)]); }
    if (SHIFT == 1u) { r += f32(shift[i]); }
    if (SHIFT == 2u) { r += f32(shift[strided(at, false)]); }
    y[at] = TY(r);
  }
}
