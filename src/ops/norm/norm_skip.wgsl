// y = x + skip + bias over images: skip has x's shape, or one number per image and channel.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        total elements
//   2        skip  read        total elements, or [images, channels]
//   3        bias  read        [channels]
//   4        y     read_write  total elements
//
// One invocation computes one element. Precision: float32.

// use grid

alias T = f32; // knob: f32 f16
alias TY = f32; // knob: f32 f16
const WHOLE : bool = true; // knob: any
const HAS_BIAS : bool = false; // knob: any

struct Params {
  total : u32,
  image : u32,     // elements per image
  channels : u32,
  inner : u32,     // elements from one channel to the next
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> skip : array<T>;
@group(0) @binding(3) var<storage, read> bias : array<T>;
@group(0) @binding(4) var<storage, read_write> y : array<TY>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let at = workgroup_index(wid, nwg) * 256u + lid;
  if (at >= p.total) { return; }
  let c = at / p.inner % p.channels;
  var v = f32(x[at]) + f32(skip[select(at / p.image * p.channels + c, at, WHOLE)]);
  if (HAS_BIAS) { v += f32(bias[c]); }
  y[at] = TY(v);
}
