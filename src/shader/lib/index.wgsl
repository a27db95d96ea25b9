// An index operand, counted from the front; 0xffffffff when it is out of range. `low` and `high`
// are its two words; an int32 comes with its sign as `high` (index_sign).

const NO_INDEX : u32 = 0xffffffffu;

fn index_sign(low : u32) -> u32 {
  return bitcast<u32>(bitcast<i32>(low) >> 31u);
}

fn place_index(low : u32, high : u32, extent : u32) -> u32 {
  if (high != index_sign(low)) { return NO_INDEX; }
  var at = bitcast<i32>(low);
  if (at < 0) { at += i32(extent); }
  if (at < 0 || u32(at) >= extent) { return NO_INDEX; }
  return u32(at);
}
