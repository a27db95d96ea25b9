// The uniform block of the plain matrix products: any strides, up to eight batch axes; and where the
// operands of one element of the result begin.

struct Params {
  batch : array<vec4<u32>, 2>,  // extents, 1 where there are fewer
  a_step : array<vec4<u32>, 2>,
  b_step : array<vec4<u32>, 2>,
  c_step : array<vec4<u32>, 2>,
  total : u32,  // elements of y
  m : u32,
  n : u32,
  k : u32,
  a_m : u32,
  a_k : u32,
  b_k : u32,
  b_n : u32,
  c_m : u32,
  c_n : u32,
  alpha : f32,
  beta : f32,
  act_alpha : f32,
  act_beta : f32,
  first_workgroup : u32,  // of the piece at hand
}

// The first elements of row and column, and the bias. `index`: of the result's element.
struct Operands {
  a : u32,
  b : u32,
  c : u32,
}
fn operands_of(index : u32) -> Operands {
  let column = index % p.n;
  let row = index / p.n % p.m;
  var rest = index / p.n / p.m;
  var at = Operands(row * p.a_m, column * p.b_n, row * p.c_m + column * p.c_n);
  for (var i = 0u; i < 8u; i++) {
    let axis = 7u - i;
    let extent = p.batch[axis / 4u][axis % 4u];
    let place = rest % extent;
    rest /= extent;
    at.a += place * p.a_step[axis / 4u][axis % 4u];
    at.b += place * p.b_step[axis / 4u][axis % 4u];
    at.c += place * p.c_step[axis / 4u][axis % 4u];
  }
  return at;
}
