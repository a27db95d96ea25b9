// q = saturate(round(x / scale) + zero) as uint8, for one scale and zero point that are on the device.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        n elements
//   2        scale  read        1 element
//   3        zero   read        1 element
//   4        q      read_write  n elements
//
// One invocation computes one element. Precision: float32, ties to even.

// use grid

alias T = f32; // knob: f32 f16

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> scale : array<f32>;
@group(0) @binding(3) var<storage, read> zero : array<i32>;
@group(0) @binding(4) var<storage, read_write> q : array<i32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  let v = round(clamp(f32(x[i]) / scale[0], -1e6, 1e6));
  q[i] = clamp(i32(v) + zero[0], 0, 255);
}
