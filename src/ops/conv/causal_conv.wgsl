// CausalConvWithState: a depthwise convolution along time over [past, x], and what has to be kept
// for the next call.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        [N, C, length]
//   2        w      read        [C, 1, taps]
//   3        bias   read        [C], when HAS_BIAS
//   4        past   read        [N, C, taps - 1], when HAS_PAST; zeros otherwise
//   5        y      read_write  [N, C, length]
//   6        state  read_write  [N, C, taps - 1]: the end of [past, x]
//
// One invocation computes one element of y or of state. Memory traffic: x once per tap, from cache.
// Precision: float32 inside, whatever T is.

// use grid

alias T = f32; // knob: f32 f16
const HAS_BIAS : bool = false; // knob: true false
const HAS_PAST : bool = false; // knob: true false
const SILU : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  channels : u32, // C
  length : u32,   //
  taps : u32,     //
  n : u32,        // planes * (length + taps - 1)
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> w : array<T>;
@group(0) @binding(3) var<storage, read> bias : array<T>;
@group(0) @binding(4) var<storage, read> past : array<T>;
@group(0) @binding(5) var<storage, read_write> y : array<T>;
@group(0) @binding(6) var<storage, read_write> state : array<T>;

// Element t of [past, x].
fn sequence(plane : u32, t : u32) -> f32 {
  let kept = p.taps - 1u;
  if (t >= kept) { return f32(x[plane * p.length + t - kept]); }
  if (HAS_PAST) { return f32(past[plane * kept + t]); }
  return 0.0;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let kept = p.taps - 1u;
  let plane = i / (p.length + kept);
  let t = i % (p.length + kept);
  if (t >= p.length) {
    state[plane * kept + t - p.length] = T(sequence(plane, t));
    return;
  }
  let c = plane % p.channels;
  var sum = 0.0;
  if (HAS_BIAS) { sum = f32(bias[c]); }
  for (var k = 0u; k < p.taps; k++) { sum += f32(w[c * p.taps + k]) * sequence(plane, t + k); }
  if (SILU) { sum = sum / (1.0 + exp(clamp(-sum, -80.0, 80.0))); }
  y[plane * p.length + t] = T(sum);
}
