// Channels by fours: each word of y holds four neighbouring channels of one group at one place, as
// signed bytes, low byte first. What conv_dot4 multiplies.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        [N, C, plane]: 8-bit integers, a word each, or float32 to be quantized
//   2        scale  read        QUANTIZE: x's scale, one
//   3        zero   read        QUANTIZE: x's zero point, one
//   4        y      read_write  [N, groups, group_words, plane]
//
// One invocation makes one word. Memory traffic: x is read once (16 bytes per word), y written once;
// neighbouring invocations read neighbouring elements. Bytes beyond a group's channels are 0.
// Unsigned elements are shifted to signed ones by SHIFT. Precision: exact; a quantized element is
// round(x / scale) + zero, the quotient rounded to nearest, as on the CPU.

// use grid
// use math

alias T = i32; // knob: i32 u32 f32
const SHIFT : i32 = 0; // knob: 0 128
const QUANTIZE : bool = false; // knob: true false

struct Params {
  channels : u32,        // C
  groups : u32,
  group_channels : u32,  // C / groups
  group_words : u32,     // ceil(group_channels / 4)
  plane : u32,           // positions of one channel
  n : u32,               // words
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> scale : array<f32>;
@group(0) @binding(3) var<storage, read> zero : array<u32>;
@group(0) @binding(4) var<storage, read_write> y : array<u32>;

fn element(at : u32) -> i32 {
  if (!QUANTIZE) { return i32(x[at]); }
  let quotient = math_divide(f32(x[at]), scale[0]);
  let rounded = select(round(clamp(quotient, -1e7, 1e7)), 0.0, math_is_nan(quotient));
  return i32(clamp(rounded + f32(zero[0]), 0.0, 255.0));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  let line = i / p.plane;
  let channel = line % p.group_words * 4u;
  let outer = line / p.group_words;
  let first = outer / p.groups * p.channels + outer % p.groups * p.group_channels;
  var word = 0u;
  for (var k = 0u; k < 4u; k++) {
    if (channel + k < p.group_channels) {
      let byte = element((first + channel + k) * p.plane + i % p.plane) - SHIFT;
      word |= (u32(byte) & 255u) << (8u * k);
    }
  }
  y[i] = word;
}
