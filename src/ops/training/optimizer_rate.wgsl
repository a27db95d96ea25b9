// What the steps of an optimizer have in common, from the learning rate and the update count.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        rate   read        one float
//   2        count  read        one int64, two words
//   3        out    read_write  the rate of this step; the factor of Momentum's gradient
//
// One invocation does it all, in float32.
//   OP 0, Adagrad:  rate / (1 + count * alpha)
//   OP 1, Adam:     rate * sqrt(1 - beta^count) / (1 - alpha^count), from the first update on
//   OP 2, Momentum: rate; beta from the first update on, else 1

// use math

const OP : u32 = 0u; // knob: 0 1 2

struct Params {
  alpha : f32, // decay of the rate, or of the first moment
  beta : f32,  // decay of the second moment, or the gradient's factor
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> rate : array<f32>;
@group(0) @binding(2) var<storage, read> count : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> out : array<f32>;

// 1 - base^t for 0 <= base.
fn one_less_power(base : f32, t : f32) -> f32 {
  if (base == 0.0) { return 1.0; }
  return -math_expm1(t * math_log(base));
}

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) wid : vec3<u32>) {
  if (wid.x + wid.y + wid.z != 0u) { return; }
  let t = i64_to_f32(count[0]);
  var r = rate[0];
  var factor = 1.0;
  if (OP == 0u) { r = r / (1.0 + t * p.alpha); }
  if (t > 0.0) {
    if (OP == 1u) { r = r * sqrt(one_less_power(p.beta, t)) / one_less_power(p.alpha, t); }
    factor = p.beta;
  }
  out[0] = r;
  out[1] = factor;
}
