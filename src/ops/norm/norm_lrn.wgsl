// Local response normalization over channels: x / (bias + alpha * sum of x^2 of the neighbours)^beta.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [N, C, inner]
//   2        y     read_write  the same
//
// One invocation computes one element from the channels c - below .. c + above. Memory traffic:
// `size` reads per element, neighbours share them through the cache. Precision: float32; the power
// is exp2(beta log2), good to about 1e-5 of the result.

// use grid

alias T = f32; // knob: f32 f16

struct Params {
  total : u32,
  channels : u32,
  inner : u32,
  below : u32,
  above : u32,
  alpha : f32,  // divided by the size
  beta : f32,
  bias : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let at = workgroup_index(wid, nwg) * 256u + lid;
  if (at >= p.total) { return; }
  let c = at / p.inner % p.channels;
  let below = min(c, p.below);
  let above = min(p.channels - 1u - c, p.above);
  let first = at - below * p.inner;
  var sum = 0.0;
  for (var i = 0u; i <= below + above; i++) {
    let v = f32(x[first + i * p.inner]);
    sum += v * v;
  }
  y[at] = T(f32(x[at]) / pow(p.bias + p.alpha * sum, p.beta));
}
