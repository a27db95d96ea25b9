// Discrete Fourier transforms as plain sums, with the roots of unity in a table. STFT: the signal is
// cut into overlapping frames and weighted by a window.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        x       read        real (or pairs of real and imaginary) parts
//   2        roots   read        cos, sin of 2 pi k / length, for each k
//   3        window  read        weights, when WINDOW
//   4        y       read_write  results
//
// One invocation computes one bin of one signal in `read` steps; the table index advances by the bin
// number and wraps, so no angle is ever rounded. Memory traffic: signal and table are read once per
// bin, out of the cache. Precision: float32.

// use grid

alias T = f32; // knob: f32 f16
const COMPLEX_IN : bool = false; // knob: any
const INVERSE : bool = false; // knob: any
// The inverse of a one-sided spectrum: the other half is its mirror, the result is real.
const REAL_OUT : bool = false; // knob: any
const WINDOW : bool = false; // knob: any
const WG : u32 = 64u; // knob: 64 128 256

// Element t of signal s lies at first(s) + t * step, in samples.
struct Params {
  results : u32, // signals * bins
  bins : u32,
  length : u32,
  read : u32,    // samples that are there; the rest counts as zero
  inner : u32,   // signals that lie interleaved, which is also the step; 1 for STFT
  extent : u32,  // samples of a signal
  frames : u32,  // STFT: per batch; otherwise 1
  hop : u32,     // STFT: between frames
  scale : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> roots : array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> window : array<T>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.results) { return; }
  // y is [outer, bins, inner].
  let inner = i % p.inner;
  let bin = i / p.inner % p.bins;
  let outer = i / p.inner / p.bins;
  let first = (outer / p.frames * p.extent + outer % p.frames * p.hop) * p.inner + inner;
  var sum = vec2<f32>(0.0);
  var turn = 0u;
  for (var t = 0u; t < p.read; t++) {
    let at = first + t * p.inner;
    var v = vec2<f32>(0.0);
    if (COMPLEX_IN) {
      v = vec2<f32>(f32(x[2u * at]), f32(x[2u * at + 1u]));
    } else {
      v.x = f32(x[at]);
    }
    if (WINDOW) { v = v * f32(window[t]); }
    if (REAL_OUT) {
      if (t == 0u || 2u * t == p.length) {
        v.y = 0.0;
      } else {
        v = 2.0 * v;
      }
    }
    var root = roots[turn];
    if (!INVERSE) { root.y = -root.y; }
    sum += vec2<f32>(v.x * root.x - v.y * root.y, v.x * root.y + v.y * root.x);
    turn += bin;
    if (turn >= p.length) { turn -= p.length; }
  }
  sum = sum * p.scale;
  if (REAL_OUT) {
    y[i] = T(sum.x);
  } else {
    y[2u * i] = T(sum.x);
    y[2u * i + 1u] = T(sum.y);
  }
}
