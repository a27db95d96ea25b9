// Where the operands of an elementwise operation stand for the element i of its result. The shader
// that uses this has a uniform block `p` with shape, a_strides and b_strides, each of eight axes
// with the last one at index 7. They are read in place: copies would go to private memory, which a
// computed index makes slow.

// How an operand is read: 0 element by element with the result, 1 one element for all, 2 by strides.
const MODE_A : u32 = 0u; // knob: 0 1 2
const MODE_B : u32 = 0u; // knob: 0 1 2
const RANK : u32 = 8u; // knob: 1 2 3 4 5 6 7 8

// Offsets into both operands.
fn broadcast_offsets(i : u32) -> vec2<u32> {
  var at = vec2<u32>(select(0u, i, MODE_A == 0u), select(0u, i, MODE_B == 0u));
  if (MODE_A != 2u && MODE_B != 2u) { return at; }
  var rest = i;
  for (var k = 0u; k < RANK; k = k + 1u) {
    let d = 7u - k;
    var c = rest;
    if (k + 1u < RANK) {
      let extent = p.shape[d >> 2u][d & 3u];
      let next = rest / extent;
      c = rest - next * extent;
      rest = next;
    }
    if (MODE_A == 2u) { at.x = at.x + c * p.a_strides[d >> 2u][d & 3u]; }
    if (MODE_B == 2u) { at.y = at.y + c * p.b_strides[d >> 2u][d & 3u]; }
  }
  return at;
}
