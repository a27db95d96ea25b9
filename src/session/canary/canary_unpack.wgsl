// Self-test: int8 weights, four to a word, dequantized: y = (q - zero_point) * scale.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        q     read        n/4 words of four int8, lowest byte first
//   2        y     read_write  n float32
//
// One invocation computes one element. Memory traffic: each word is read by four invocations.
// Precision: exact, since the scale is a power of two. Even elements are cut out by shifts, odd ones by
// extractBits: drivers have had either of them without sign extension.

// use grid

struct Params {
  n : u32,
  zero_point : i32,
  scale : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> q : array<i32>;
@group(0) @binding(2) var<storage, read_write> y : array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 64u + lid;
  if (i >= p.n) { return; }
  let word = q[i / 4u];
  let byte = i % 4u;
  var value = (word << (24u - 8u * byte)) >> 24u;
  if (i % 2u == 1u) { value = extractBits(word, 8u * byte, 8u); }
  y[i] = f32(value - p.zero_point) * p.scale;
}
