// Where the elements of a reduction lie: the kept axes and the reduced ones, each list right-aligned
// in eight. The shader declares KEPT_AXES and REDUCED_AXES and, in its Params, kept_shape,
// kept_stride, reduced_shape and reduced_stride.

fn kept_offset(output : u32) -> u32 {
  var rest = output;
  var offset = 0u;
  for (var k = 0u; k < KEPT_AXES; k++) {
    let axis = 7u - k;
    let extent = p.kept_shape[axis / 4u][axis % 4u];
    offset += rest % extent * p.kept_stride[axis / 4u][axis % 4u];
    rest = rest / extent;
  }
  return offset;
}

fn reduced_offset(r : u32) -> u32 {
  if (REDUCED_AXES == 1u) { return r * p.reduced_stride[1].w; }
  var rest = r;
  var offset = 0u;
  for (var k = 0u; k < REDUCED_AXES; k++) {
    let axis = 7u - k;
    let extent = p.reduced_shape[axis / 4u][axis % 4u];
    offset += rest % extent * p.reduced_stride[axis / 4u][axis % 4u];
    rest = rest / extent;
  }
  return offset;
}
