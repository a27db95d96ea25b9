// RNN, GRU or LSTM over a whole sequence. X W' + Wb of all steps is given; a step adds H R' + Rb.
//
//   binding  name       access      what
//   0        p          uniform     Params
//   1        xw         read        [directions, steps * batch, gates * hidden] in float32
//   2        weights    read        [directions, gates * hidden, hidden]; R_T: the last two swapped
//   3        bias       read        [directions, 2 * gates * hidden], the second half Rb
//   4        lengths    read        steps of each entry of the batch
//   5        initial    read        the states h, then c, then the peepholes i, o, f: [directions, 3 hidden]
//   6        y          read_write  all outputs of h
//   7        y_h        read_write  the last h
//   8        y_c        read_write  the last c
//
// One workgroup runs one direction of one entry of the batch through all steps, with the states in
// workgroup memory (12 bytes per hidden unit); an invocation computes every 256th unit, with all its
// gates. R_T lets neighbours read neighbouring weights. Memory traffic: per step all weights, from the
// cache after the first, gates * hidden words of xw and hidden words of y. Precision: float32.

// use cut_grid
// use activation

alias T = f32; // knob: f32 f16
alias TR = f32; // knob: f32 f16
const CELL : u32 = 0u; // knob: 0 1 2
const HIDDEN : u32 = 256u; // knob: 64 256 1024
const R_T : bool = false; // knob: any
const HAS_BIAS : bool = false; // knob: any
const HAS_LENGTHS : bool = false; // knob: any
const HAS_H : bool = false; // knob: any
const HAS_C : bool = false; // knob: any
const HAS_PEEPHOLES : bool = false; // knob: any
const HAS_Y : bool = false; // knob: any
const INPUT_FORGET : bool = false; // knob: any
const LINEAR_BEFORE_RESET : bool = false; // knob: any
const F : u32 = 3u; // knob: any
const G : u32 = 2u; // knob: any
const H : u32 = 2u; // knob: any

struct Params {
  steps : u32,
  batch : u32,
  hidden : u32,
  workgroups : u32,
  first_direction : u32,
  reverse : u32,   // bit d: direction d runs backwards
  x_t : u32,       // rows of xw per step and per entry of the batch
  x_b : u32,
  s_d : u32,       // elements of a state per direction and per entry
  s_b : u32,
  y_t : u32,
  y_d : u32,
  y_b : u32,
  c_offset : u32,         // in `initial`: where c and the peepholes begin
  peephole_offset : u32,
  clip : f32,
  f_alpha : f32,
  f_beta : f32,
  g_alpha : f32,
  g_beta : f32,
  h_alpha : f32,
  h_beta : f32,
  first_workgroup : u32,  // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> xw : array<f32>;
@group(0) @binding(2) var<storage, read> weights : array<TR>;
@group(0) @binding(3) var<storage, read> bias : array<T>;
@group(0) @binding(4) var<storage, read> lengths : array<i32>;
@group(0) @binding(5) var<storage, read> initial : array<f32>;
@group(0) @binding(6) var<storage, read_write> y : array<T>;
@group(0) @binding(7) var<storage, read_write> y_h : array<T>;
@group(0) @binding(8) var<storage, read_write> y_c : array<T>;

const GATES : u32 = select(select(4u, 3u, CELL == 1u), 1u, CELL == 0u);

var<workgroup> state : array<f32, HIDDEN>;
var<workgroup> next : array<f32, HIDDEN>;
var<workgroup> other : array<f32, HIDDEN>;  // LSTM: c; GRU: the state behind the reset gate

fn function_of(kind : u32, x : f32, alpha : f32, beta : f32) -> f32 {
  if (kind == 1u) { return max(x, 0.0); }
  if (kind == 2u) { return tanh(clamp(x, -10.0, 10.0)); }
  if (kind == 3u) {
    let e = exp(-min(abs(x), 80.0));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
  }
  if (kind == 4u) { return alpha * x + beta; }
  if (kind == 5u) { return select(x, alpha * x, x < 0.0); }
  if (kind == 6u) { return select(0.0, x, x > alpha); }
  if (kind == 7u) { return alpha * tanh(clamp(beta * x, -10.0, 10.0)); }
  if (kind == 8u) { return clamp(alpha * x + beta, 0.0, 1.0); }
  if (kind == 9u) { return select(x, alpha * activation_expm1(min(x, 0.0)), x < 0.0); }
  if (kind == 10u) {
    return select(beta * alpha * activation_expm1(min(x, 0.0)), beta * x, x > 0.0);
  }
  if (kind == 11u) { return x / (1.0 + abs(x)); }
  if (kind == 12u) { return max(x, 0.0) + log(1.0 + exp(-min(abs(x), 80.0))); }
  if (kind == 13u) { return min(max(x, alpha), beta); }
  if (kind == 14u) { return x * clamp(x / 6.0 + 0.5, 0.0, 1.0); }
  if (kind == 15u) { return 0.5 * x * (1.0 + activation_erf(x * 0.70710678)); }
  return x;
}
fn clipped(x : f32) -> f32 { return clamp(x, -p.clip, p.clip); }
fn apply_f(x : f32) -> f32 { return function_of(F, clipped(x), p.f_alpha, p.f_beta); }
fn apply_g(x : f32) -> f32 { return function_of(G, clipped(x), p.g_alpha, p.g_beta); }

// Rb of one row of the stacked gates.
fn r_bias(d : u32, row : u32) -> f32 {
  if (!HAS_BIAS) { return 0.0; }
  return f32(bias[(d * 2u + 1u) * GATES * p.hidden + row]);
}
// Row `row` of R times the state.
fn recurrent(d : u32, row : u32) -> f32 {
  let rows = GATES * p.hidden;
  let base = d * rows * p.hidden;
  var sum = 0.0;
  if (R_T) {
    for (var i = 0u; i < p.hidden; i++) { sum += f32(weights[base + i * rows + row]) * state[i]; }
  } else {
    for (var i = 0u; i < p.hidden; i++) { sum += f32(weights[base + row * p.hidden + i]) * state[i]; }
  }
  return sum;
}
// The same with the state behind the reset gate.
fn recurrent_reset(d : u32, row : u32) -> f32 {
  let rows = GATES * p.hidden;
  let base = d * rows * p.hidden;
  var sum = 0.0;
  for (var i = 0u; i < p.hidden; i++) {
    let at = select(base + row * p.hidden + i, base + i * rows + row, R_T);
    sum += f32(weights[at]) * other[i];
  }
  return sum;
}
fn peephole(d : u32, gate : u32, u : u32) -> f32 {
  if (!HAS_PEEPHOLES) { return 0.0; }
  return initial[p.peephole_offset + (d * 3u + gate) * p.hidden + u];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let index = workgroup_index(wid, nwg);
  if (index >= p.workgroups) { return; }
  let b = index % p.batch;
  let d = p.first_direction + index / p.batch;
  let backwards = ((p.reverse >> d) & 1u) != 0u;
  let n = p.hidden;
  let state_at = d * p.s_d + b * p.s_b;
  var length = p.steps;
  if (HAS_LENGTHS) { length = u32(clamp(lengths[b], 0, i32(p.steps))); }

  for (var u = lid; u < n; u += 256u) {
    var h = 0.0;
    var c = 0.0;
    if (HAS_H) { h = initial[state_at + u]; }
    if (HAS_C) { c = initial[p.c_offset + state_at + u]; }
    state[u] = h;
    other[u] = c;
  }
  workgroupBarrier();

  for (var done = 0u; done < length; done++) {
    var t = done;
    if (backwards) { t = length - 1u - done; }
    let row = ((d * p.steps * p.batch) + t * p.x_t + b * p.x_b) * GATES * n;
    if (CELL == 0u) {
      for (var u = lid; u < n; u += 256u) {
        next[u] = apply_f(xw[row + u] + recurrent(d, u) + r_bias(d, u));
      }
    }
    if (CELL == 1u) {
      for (var u = lid; u < n; u += 256u) {
        let z = apply_f(xw[row + u] + recurrent(d, u) + r_bias(d, u));
        let reset = apply_f(xw[row + n + u] + recurrent(d, n + u) + r_bias(d, n + u));
        if (LINEAR_BEFORE_RESET) {
          let from_state = reset * (recurrent(d, 2u * n + u) + r_bias(d, 2u * n + u));
          let candidate = apply_g(xw[row + 2u * n + u] + from_state);
          next[u] = (1.0 - z) * candidate + z * state[u];
        } else {
          next[u] = z;
          other[u] = reset * state[u];
        }
      }
      if (!LINEAR_BEFORE_RESET) {
        workgroupBarrier();
        for (var u = lid; u < n; u += 256u) {
          let from_state = recurrent_reset(d, 2u * n + u) + r_bias(d, 2u * n + u);
          let candidate = apply_g(xw[row + 2u * n + u] + from_state);
          let z = next[u];
          next[u] = (1.0 - z) * candidate + z * state[u];
        }
      }
    }
    if (CELL == 2u) {
      for (var u = lid; u < n; u += 256u) {
        let c = other[u];
        let i = apply_f(xw[row + u] + recurrent(d, u) + r_bias(d, u) + peephole(d, 0u, u) * c);
        var f = 1.0 - i;
        if (!INPUT_FORGET) {
          f = apply_f(xw[row + 2u * n + u] + recurrent(d, 2u * n + u) + r_bias(d, 2u * n + u) +
                      peephole(d, 2u, u) * c);
        }
        let candidate = apply_g(xw[row + 3u * n + u] + recurrent(d, 3u * n + u) +
                                r_bias(d, 3u * n + u));
        let now = f * c + i * candidate;
        let o = apply_f(xw[row + n + u] + recurrent(d, n + u) + r_bias(d, n + u) +
                        peephole(d, 1u, u) * now);
        other[u] = now;
        next[u] = o * function_of(H, now, p.h_alpha, p.h_beta);
      }
    }
    workgroupBarrier();
    for (var u = lid; u < n; u += 256u) {
      state[u] = next[u];
      if (HAS_Y) { y[t * p.y_t + d * p.y_d + b * p.y_b + u] = T(next[u]); }
    }
    workgroupBarrier();
  }

  // An entry of no steps ends in 0, unless no entry has any.
  let ran = length > 0u || p.steps == 0u;
  for (var u = lid; u < n; u += 256u) {
    y_h[state_at + u] = T(select(0.0, state[u], ran));
    if (CELL == 2u) { y_c[state_at + u] = T(select(0.0, other[u], ran)); }
    if (HAS_Y) {
      for (var t = length; t < p.steps; t++) {
        y[t * p.y_t + d * p.y_d + b * p.y_b + u] = T(0.0);
      }
    }
  }
}
