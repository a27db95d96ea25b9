// The scalar functions of op/activation.h, chosen by ACT (the number of Activation::Kind), in
// float32. Arguments of exp and tanh are bounded: no result is NaN where the function is finite.

const ACT : u32 = 0u; // knob: any

// exp(x) - 1 for x <= 0, exact to float32 near 0 as well.
fn activation_expm1(x : f32) -> f32 {
  let series = x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * 0.0083333338))));
  return select(exp(max(x, -80.0)) - 1.0, series, x > -0.25);
}

// The error function by Abramowitz and Stegun 7.1.26: absolute error below 2e-7.
fn activation_erf(x : f32) -> f32 {
  let a = min(abs(x), 10.0);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 +
             t * 1.061405429))));
  let e = 1.0 - poly * exp(-a * a);
  return select(e, -e, x < 0.0);
}

fn activate(x : f32, alpha : f32, beta : f32) -> f32 {
  if (ACT == 1u) { return max(x, 0.0); }
  if (ACT == 2u) { return tanh(clamp(x, -10.0, 10.0)); }
  if (ACT == 3u) {
    let e = exp(-min(abs(x), 80.0));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
  }
  if (ACT == 4u) { return alpha * x + beta; }
  if (ACT == 5u) { return select(x, alpha * x, x < 0.0); }
  if (ACT == 6u) { return select(0.0, x, x > alpha); }
  if (ACT == 7u) { return alpha * tanh(clamp(beta * x, -10.0, 10.0)); }
  if (ACT == 8u) { return clamp(alpha * x + beta, 0.0, 1.0); }
  if (ACT == 9u) { return select(x, alpha * activation_expm1(min(x, 0.0)), x < 0.0); }
  if (ACT == 10u) {
    return select(beta * alpha * activation_expm1(min(x, 0.0)), beta * x, x > 0.0);
  }
  if (ACT == 11u) { return x / (1.0 + abs(x)); }
  if (ACT == 12u) { return max(x, 0.0) + log(1.0 + exp(-min(abs(x), 80.0))); }
  if (ACT == 13u) { return min(max(x, alpha), beta); }
  if (ACT == 14u) { return x * clamp(x / 6.0 + 0.5, 0.0, 1.0); }
  if (ACT == 15u) { return 0.5 * x * (1.0 + activation_erf(x * 0.70710678)); }
  return x;
}
