// What becomes of a convolution's sum: bias, then bytes again (QUANT), or residual and activation.
// The shader that uses this has the knobs INTEGER, QUANT, HAS_BIAS and HAS_RESIDUAL, the aliases A
// (of sums) and Y, the buffers bias, z, factor and y, and a uniform block `p` with y_zero, y_low,
// y_high, alpha and beta.

// use activation

// Element `to` of y, which is of output channel m.
fn conv_store(to : u32, m : u32, sum : A) {
  var v = sum;
  if (HAS_BIAS) { v += A(bias[m]); }
  if (QUANT) {
    let q = round(f32(v) * factor[m]) + f32(p.y_zero);
    y[to] = Y(i32(clamp(q, f32(p.y_low), f32(p.y_high))));
  } else if (INTEGER) {
    y[to] = Y(v);
  } else {
    if (HAS_RESIDUAL) { v += A(z[to]); }
    y[to] = Y(activate(f32(v), p.alpha, p.beta));
  }
}
