// Which scale belongs to an element of a tensor seen as [outer, axis, inner], and rounding into the
// range of an integer type.

// use math

const MODE : u32 = 0u; // knob: 0 1 2
const BITS : u32 = 8u; // knob: 2 4 8 16 32
const SIGNED : bool = false; // knob: true false

// Index of the scale of element i. MODE 0: one for all; 1: one for each position along the axis;
// 2: one for each block of `block` positions along it.
fn quant_parameter(i : u32, axis : u32, inner : u32, block : u32, blocks : u32) -> u32 {
  if (MODE == 0u) { return 0u; }
  let line = i / inner;
  let at = line % axis;
  if (MODE == 1u) { return at; }
  return (line / axis * blocks + at / block) * inner + i % inner;
}

fn quant_lowest() -> f32 { return select(0.0, -f32(1u << (BITS - 1u)), SIGNED); }
fn quant_highest() -> f32 {
  return select(f32((1u << (BITS & 31u)) - 1u), f32((1u << (BITS - 1u)) - 1u), SIGNED);
}
// round(scaled) + zero, saturated, for types of at most 16 bits. NaN counts as 0.
fn quant_round(scaled : f32, zero : f32) -> f32 {
  let rounded = select(round(clamp(scaled, -1e7, 1e7)), 0.0, math_is_nan(scaled));
  return clamp(rounded + zero, quant_lowest(), quant_highest());
}
