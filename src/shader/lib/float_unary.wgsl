// The elementwise functions of one float argument, chosen by OP (the order of UnaryOp in
// ops/unary/unary_gpu.cc). NaN is handed on by all of them but IsNaN and IsInf.

// use math

const OP : u32 = 0u; // knob: any

fn float_unary(v : f32, alpha : f32, beta : f32) -> f32 {
  if (OP == 1u) { return select(0.0, 1.0, math_is_nan(v)); }
  if (OP == 2u) {  // alpha: negative infinity counts; beta: positive infinity does
    let counts = select(beta, alpha, (bitcast<u32>(v) & 0x80000000u) != 0u);
    return select(0.0, counts, math_is_inf(v));
  }
  if (math_is_nan(v)) { return v; }
  switch (OP) {
    case 3u: { return abs(v); }
    case 4u: { return -v; }
    case 5u: { return ceil(v); }
    case 6u: { return floor(v); }
    case 7u: { return round(v); }
    case 8u: { return select(select(v, -1.0, v < 0.0), 1.0, v > 0.0); }
    case 9u: {
      if (v < 0.0) { return math_nan(v); }
      return sqrt(v);
    }
    case 10u: {
      if (v == 0.0) { return math_with_sign(math_inf(v), v); }
      return 1.0 / v;
    }
    case 11u: { return math_exp(v); }
    case 12u: { return math_log(v); }
    case 13u: { return math_sin(v); }
    case 14u: { return math_cos(v); }
    case 15u: { return math_tan(v); }
    case 16u: { return math_asin(v); }
    case 17u: { return math_acos(v); }
    case 18u: { return math_atan(v); }
    case 19u: { return math_sinh(v); }
    case 20u: { return math_cosh(v); }
    case 21u: { return math_tanh(v); }
    case 22u: { return math_asinh(v); }
    case 23u: { return math_acosh(v); }
    case 24u: { return math_atanh(v); }
    case 25u: { return math_erf(v); }
    case 26u: { return math_sigmoid(v); }
    case 27u: { return max(v, 0.0); }
    case 28u: { return select(v, alpha * v, v < 0.0); }
    case 29u: {  // Elu
      if (v >= 0.0) { return v; }
      return alpha * math_expm1(v);
    }
    case 30u: {  // Celu
      if (alpha == 0.0) { return max(v, 0.0); }
      return max(v, 0.0) + min(0.0, alpha * math_expm1(v / alpha));
    }
    case 31u: {  // Selu
      if (v > 0.0) { return beta * v; }
      return beta * (alpha * math_expm1(v));
    }
    case 32u: { return math_softplus(v); }
    case 33u: { return v / (1.0 + abs(v)); }
    case 34u: { return clamp(alpha * v + beta, 0.0, 1.0); }
    case 35u: { return v * clamp(v / 6.0 + 0.5, 0.0, 1.0); }
    case 36u: { return select(v, 0.0, v <= alpha); }
    case 37u: { return select(select(0.0, v - alpha, v > beta), v + alpha, v < -beta); }  // Shrink
    case 38u: {  // Mish
      // tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2)
      if (v > 20.0) { return v; }
      let e = math_exp(v);
      let n = e * (e + 2.0);
      return v * (n / (n + 2.0));
    }
    case 39u: { return math_gelu(v); }
    case 40u: { return math_gelu_tanh(v); }
    case 41u: { return v * math_sigmoid(alpha * v); }
    case 42u: { return alpha * v + beta; }
    case 43u: { return alpha * math_tanh(beta * v); }
    case 44u: { return alpha * math_softplus(beta * v); }
    case 45u: { return min(max(v, alpha), beta); }  // Clip
    default: { return v; }
  }
}
