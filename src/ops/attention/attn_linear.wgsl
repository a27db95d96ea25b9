// Linear attention: S = exp(g) S + k (beta (v - S'k))', o = scale S'q, step after step.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        q       read        [batch, steps, q_heads * size]
//   2        k       read        [batch, steps, kv_heads * size]
//   3        v       read        [batch, steps, kv_heads * v_size]
//   4        decay   read        GATED: [batch, steps, decay_width]
//   5        beta    read        DELTA: [batch, steps, beta_width]
//   6        state   read_write  [batch, kv_heads, size, v_size] in float32, the past state at first
//   7        y       read_write  [batch, steps, out_heads * v_size]
//   8        slots   read_write  present state: `window` states (one without a window)
//
// One invocation owns one column of one state: column m of S depends on no other, so nothing is
// shared and no barrier is needed. Neighbours own neighbouring columns. Memory traffic: the state is
// read and written once or twice per step. Precision: float32.

// use cut_grid

alias T = f32; // knob: f32 f16
alias TP = f32; // knob: f32 f16
const GATED : bool = false; // knob: any
const DELTA : bool = false; // knob: any

struct Params {
  columns : u32,  // batch * kv_heads * v_size
  steps : u32,
  size : u32,
  v_size : u32,
  q_heads : u32,
  kv_heads : u32,
  out_heads : u32,
  decay_width : u32,
  beta_width : u32,
  window : u32,
  scale : f32,
  first_workgroup : u32,  // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> q : array<T>;
@group(0) @binding(2) var<storage, read> k : array<T>;
@group(0) @binding(3) var<storage, read> v : array<T>;
@group(0) @binding(4) var<storage, read> decay : array<T>;
@group(0) @binding(5) var<storage, read> beta : array<T>;
@group(0) @binding(6) var<storage, read_write> state : array<f32>;
@group(0) @binding(7) var<storage, read_write> y : array<T>;
@group(0) @binding(8) var<storage, read_write> slots : array<TP>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let index = workgroup_index(wid, nwg) * 64u + lid;
  if (index >= p.columns) { return; }
  let m = index % p.v_size;
  let h = index / p.v_size % p.kv_heads;
  let b = index / p.v_size / p.kv_heads;
  let s = (b * p.kv_heads + h) * p.size * p.v_size + m;  // element (row, m) at s + row * v_size
  let shared_by = p.out_heads / p.kv_heads;              // output heads that read this state
  let per_query = p.out_heads / p.q_heads;
  let state_size = p.columns * p.size;
  for (var t = 0u; t < p.steps; t++) {
    let at = b * p.steps + t;
    let key = (at * p.kv_heads + h) * p.size;
    var update = f32(v[(at * p.kv_heads + h) * p.v_size + m]);
    if (GATED || DELTA) {
      var seen = 0.0;
      for (var r = 0u; r < p.size; r++) {
        var value = state[s + r * p.v_size];
        if (GATED) {
          let g = select(h * p.size + r, h, p.decay_width == p.kv_heads);
          value *= exp(clamp(f32(decay[at * p.decay_width + g]), -87.0, 88.0));
          state[s + r * p.v_size] = value;
        }
        seen += value * f32(k[key + r]);
      }
      if (DELTA) {
        let w = select(h, 0u, p.beta_width == 1u);
        update = (update - seen) * f32(beta[at * p.beta_width + w]);
      }
    }
    for (var r = 0u; r < p.size; r++) {
      state[s + r * p.v_size] += f32(k[key + r]) * update;
    }
    for (var g = 0u; g < shared_by; g++) {
      let head = h * shared_by + g;
      let query = (at * p.q_heads + head / per_query) * p.size;
      var sum = 0.0;
      for (var r = 0u; r < p.size; r++) { sum += f32(q[query + r]) * state[s + r * p.v_size]; }
      y[(at * p.out_heads + head) * p.v_size + m] = T(p.scale * sum);
    }
    // The window's slot of this step, counted so that the last step has the last one.
    if (p.window > 0u && t + p.window >= p.steps) {
      let slot = (t + p.window - p.steps) * state_size;
      for (var r = 0u; r < p.size; r++) {
        slots[slot + s + r * p.v_size] = TP(state[s + r * p.v_size]);
      }
    }
  }
  if (p.window == 0u || p.steps == 0u) {
    let slot = max(p.window, 1u) * state_size - state_size;
    for (var r = 0u; r < p.size; r++) {
      slots[slot + s + r * p.v_size] = TP(state[s + r * p.v_size]);
    }
  }
  // Slots of steps before the first one.
  for (var w = 0u; w + max(p.steps, 1u) < p.window; w++) {
    for (var r = 0u; r < p.size; r++) { slots[w * state_size + s + r * p.v_size] = TP(0.0); }
  }
}
