// Where the operands of an elementwise operation stand for the element i of its result: shapes and
// strides of at most eight axes, the last axis at index 7.

// How an operand is read: 0 element by element with the result, 1 one element for all, 2 by strides.
const MODE_A : u32 = 0u; // knob: 0 1 2
const MODE_B : u32 = 0u; // knob: 0 1 2
const RANK : u32 = 8u; // knob: 1 2 3 4 5 6 7 8

// Offsets into both operands.
fn broadcast_offsets(i : u32, shape : array<vec4<u32>, 2>, a_strides : array<vec4<u32>, 2>,
                     b_strides : array<vec4<u32>, 2>) -> vec2<u32> {
  var at = vec2<u32>(select(0u, i, MODE_A == 0u), select(0u, i, MODE_B == 0u));
  if (MODE_A != 2u && MODE_B != 2u) { return at; }
  var shapes = shape;
  var a_steps = a_strides;
  var b_steps = b_strides;
  var rest = i;
  for (var k = 0u; k < RANK; k = k + 1u) {
    let d = 7u - k;
    let extent = shapes[d >> 2u][d & 3u];
    var c = rest;
    if (k + 1u < RANK) {
      let next = rest / extent;
      c = rest - next * extent;
      rest = next;
    }
    if (MODE_A == 2u) { at.x = at.x + c * a_steps[d >> 2u][d & 3u]; }
    if (MODE_B == 2u) { at.y = at.y + c * b_steps[d >> 2u][d & 3u]; }
  }
  return at;
}
