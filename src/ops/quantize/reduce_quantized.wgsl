// Sums of integers over any axes: the sum itself, or (MEAN) their dequantized mean quantized again.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        the tensor
//   2        pack  read        where MEAN: scale of x, (any), of y; zero points alike (quant_pack)
//   3        y     read_write  n results
//
// One invocation makes one result and walks over the elements that go into it. Sums are exact in 32
// bits (they wrap as the CPU's do); the mean is a pair of floats up to the one rounding.

// use grid
// use quant

alias X = u32; // knob: i32 u32
const MEAN : bool = false; // knob: true false
const WG : u32 = 64u; // knob: 64

struct Params {
  kept_shape : array<vec4<u32>, 2>,   // of the result
  kept_strides : array<vec4<u32>, 2>, // of x along these axes
  sum_shape : array<vec4<u32>, 2>,    // extents of the axes that are summed over
  sum_strides : array<vec4<u32>, 2>,  // of x along those
  n : u32,                            // results
  count : u32,                        // elements that go into one result
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<X>;
@group(0) @binding(2) var<storage, read> pack : array<f32>;
@group(0) @binding(3) var<storage, read_write> y : array<X>;

fn kept_offset(i : u32) -> u32 {
  var at = 0u;
  var rest = i;
  for (var k = 0u; k < 8u; k = k + 1u) {
    let d = 7u - k;
    let extent = p.kept_shape[d >> 2u][d & 3u];
    at = at + rest % extent * p.kept_strides[d >> 2u][d & 3u];
    rest = rest / extent;
  }
  return at;
}
fn sum_offset(i : u32) -> u32 {
  var at = 0u;
  var rest = i;
  for (var k = 0u; k < 8u; k = k + 1u) {
    let d = 7u - k;
    let extent = p.sum_shape[d >> 2u][d & 3u];
    at = at + rest % extent * p.sum_strides[d >> 2u][d & 3u];
    rest = rest / extent;
  }
  return at;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let base = kept_offset(i);
  var sum = 0;
  for (var k = 0u; k < p.count; k = k + 1u) { sum = sum + i32(x[base + sum_offset(k)]); }
  if (!MEAN) {
    y[i] = X(sum);
    return;
  }
  sum = sum - i32(pack[3]) * i32(p.count);
  // The sum as a pair: what float32 holds of it, and the rest.
  let upper = (sum >> 12u) << 12u;
  let total = math_pair_sum(f32(upper), f32(sum - upper));
  let scaled = math_pair_mul(total, vec2<f32>(pack[0], 0.0));
  let divisor = math_pair_product(f32(p.count), pack[2]);
  let q = math_pair_divide(scaled, divisor.x);
  // Correct for the part of the divisor that float32 dropped.
  y[i] = X(quant_round(q - q * (divisor.y / divisor.x), pack[5]));
}
