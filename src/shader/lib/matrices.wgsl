// The uniform block of the matrix products (shader/product.h) and which matrices of the batch a
// workgroup's share is of.

struct Params {
  batch : vec4<u32>,   // extents of the batch axes, 1 where there are fewer
  a_step : vec4<u32>,  // elements per step of a batch axis
  b_step : vec4<u32>,
  c_step : vec4<u32>,
  y_step : vec4<u32>,
  batches : u32,       // their product
  m : u32,
  n : u32,
  k : u32,
  a_ld : u32,          // elements from one stored row to the next
  b_ld : u32,
  y_ld : u32,
  c_m : u32,
  c_n : u32,
  a_offset : u32,      // elements before the first matrix
  b_offset : u32,
  c_offset : u32,
  y_offset : u32,
  tiles_m : u32,       // workgroups per matrix: tiles_m * tiles_n
  tiles_n : u32,
  a_zero_step : u32,   // 1: a zero point per row of a (column of b), 0: one for all
  b_zero_step : u32,
  block : u32,         // packed weights: per block
  blocks : u32,        // packed weights: blocks per row of b
  alpha : f32,
  beta : f32,
  act_alpha : f32,
  act_beta : f32,
  first_workgroup : u32,  // of the piece at hand
}

// Where matrix `index` of the batch stands on the four axes.
fn batch_place(index : u32) -> vec4<u32> {
  let i3 = index % p.batch.w;
  let rest = index / p.batch.w;
  let i2 = rest % p.batch.z;
  let outer = rest / p.batch.z;
  return vec4<u32>(outer / p.batch.y, outer % p.batch.y, i2, i3);
}

// Elements before the matrix at that place.
fn batch_offset(at : vec4<u32>, steps : vec4<u32>) -> u32 {
  return at.x * steps.x + at.y * steps.y + at.z * steps.z + at.w * steps.w;
}
