// The elementwise functions of two float arguments, chosen by OP (the order of FloatOp in
// ops/binary/binary_gpu.cc). Comparisons give 0 or 1.

// use math

const OP : u32 = 0u; // knob: any

fn float_binary(a : f32, b : f32, alpha : f32) -> f32 {
  switch (OP) {
    case 0u: { return a + b; }
    case 1u: { return a - b; }
    case 2u: { return a * b; }
    case 3u: { return a / b; }
    case 4u: { return math_pow(a, b); }
    case 5u: {  // Mod with the divisor's sign
      let r = math_fmod(a, b);
      return select(r, r + b, r != 0.0 && (r < 0.0) != (b < 0.0));
    }
    case 6u: { return math_fmod(a, b); }
    case 7u, 8u: {  // Max, Min
      if (math_is_nan(a)) { return a; }
      if (math_is_nan(b)) { return b; }
      if (OP == 7u) { return max(a, b); }
      return min(a, b);
    }
    case 9u, 10u, 11u, 12u, 13u: {
      if (math_is_nan(a) || math_is_nan(b)) { return 0.0; }
      var holds = a == b;
      if (OP == 10u) { holds = a < b; }
      if (OP == 11u) { holds = a <= b; }
      if (OP == 12u) { holds = a > b; }
      if (OP == 13u) { holds = a >= b; }
      return select(0.0, 1.0, holds);
    }
    case 14u: { return select(a, a * b, a < 0.0); }         // PRelu
    case 15u: { return math_gelu(a + b); }                  // BiasGelu
    case 16u: { return math_gelu_tanh(a + b); }             // FastGelu
    case 17u: { return a * math_sigmoid(alpha * a) * b; }   // SwiGLU
    case 18u: { return a * alpha + b; }                     // ImageScaler
    case 19u: { return (a + b) / alpha; }                   // the last step of Mean
    default: { return a; }
  }
}
