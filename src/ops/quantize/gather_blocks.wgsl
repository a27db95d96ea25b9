// y = (data[index] - zero) * scale: rows gathered from a table quantized in blocks.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        data     read        codes; 8 / CODE_BITS to a byte where CODE_BITS < 8
//   2        indices  read        picks: int32, or int64 as two words (LONG)
//   3        scale    read        by scale_strides, one for each block along block_axis
//   4        zero     read        by zero_strides, packed like the data, where HAS_ZERO
//   5        y        read_write  n elements: [outer, picks, inner]
//
// One invocation makes one element: one code, one index, one scale. An index out of range gives 0.
// Precision: float32.

// use grid
// use i64

alias X = u32; // knob: f32 i32 u32
alias S = f32; // knob: f32 f16
const LONG : bool = true; // knob: true false
const HAS_ZERO : bool = false; // knob: true false
const CODE_BITS : u32 = 8u; // knob: 2 4 8
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  codes : array<vec4<u32>, 2>,         // shape of the unpacked data
  scale_strides : array<vec4<u32>, 2>, // 0 where the scale repeats
  zero_strides : array<vec4<u32>, 2>,
  n : u32,                             // elements of y
  extent : u32,                        // of the gathered axis
  inner : u32,                         // codes behind the gathered axis
  picks : u32,                         // indices
  block_axis : u32,                    // among the eight
  block : u32,                         // codes that share a scale
  default_zero : f32,                  // where HAS_ZERO is false
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> data : array<X>;
@group(0) @binding(2) var<storage, read> indices : array<u32>;
@group(0) @binding(3) var<storage, read> scale : array<S>;
@group(0) @binding(4) var<storage, read> zero : array<X>;
@group(0) @binding(5) var<storage, read_write> y : array<S>;

const PER_BYTE : u32 = 8u / CODE_BITS;

// The code number `part` of what is stored in v.
fn unpacked(v : X, part : u32) -> f32 {
  if (PER_BYTE == 1u) { return f32(v); }
  return f32((u32(v) >> (part * CODE_BITS)) & ((1u << (CODE_BITS & 31u)) - 1u));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let column = i % p.inner;
  let line = i / p.inner;
  let pick = line % p.picks;
  var index = 0u;
  if (LONG) {
    index = i64_index(vec2<u32>(indices[2u * pick], indices[2u * pick + 1u]), p.extent);
  } else {
    index = i64_index(i64_from_i32(bitcast<i32>(indices[pick])), p.extent);
  }
  if (index == 0xffffffffu) {
    y[i] = S(0.0);
    return;
  }
  let code = (line / p.picks * p.extent + index) * p.inner + column;
  var rest = code;
  var scale_at = 0u;
  var zero_at = 0u;
  var zero_part = 0u;
  for (var k = 0u; k < 8u; k = k + 1u) {
    let d = 7u - k;
    let size = p.codes[d >> 2u][d & 3u];
    var c = rest % size;
    rest = rest / size;
    if (d == p.block_axis) { c = c / p.block; }
    let step = p.scale_strides[d >> 2u][d & 3u];
    scale_at = scale_at + c * step;
    if (step == 0u) { c = 0u; }
    if (k == 0u) {
      zero_part = c % PER_BYTE;
      c = c / PER_BYTE;
    }
    zero_at = zero_at + c * p.zero_strides[d >> 2u][d & 3u];
  }
  var z = p.default_zero;
  if (HAS_ZERO) { z = unpacked(zero[zero_at], zero_part); }
  let q = unpacked(data[code / PER_BYTE], code % PER_BYTE);
  y[i] = S((q - z) * f32(scale[scale_at]));
}
