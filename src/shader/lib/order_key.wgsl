// Numbers as unsigned keys that order as the numbers do: `x` is the higher word, `y` the lower one
// (0 for 32-bit formats). NaN is the greatest and equal to itself, the two zeros are equal. Only
// bits are looked at, so 64-bit floats have keys too and nothing depends on how a device treats NaN
// or subnormal numbers. The shader binds its tensor as `x : array<u32>`.

// 0 f32, 1 f16, 2 i32, 3 u32, 4 i64, 5 u64, 6 f64
const FORMAT : u32 = 0u; // knob: 0 1 2 3 4 5 6
const WIDE : bool = FORMAT >= 4u;

fn order_key(low : u32, high : u32) -> vec2<u32> {
  if (FORMAT == 0u || FORMAT == 1u) {
    // The sign is moved to the top bit for halves.
    let v = select(low, (low & 0x7fffu) | ((low & 0x8000u) << 16u), FORMAT == 1u);
    let size = v & 0x7fffffffu;
    if (size > select(0x7f800000u, 0x7c00u, FORMAT == 1u)) { return vec2<u32>(0xffffffffu); }
    if (size == 0u) { return vec2<u32>(0x80000000u, 0u); }
    return vec2<u32>(select(v | 0x80000000u, ~v, v != size), 0u);
  }
  if (FORMAT == 2u) { return vec2<u32>(low ^ 0x80000000u, 0u); }
  if (FORMAT == 3u) { return vec2<u32>(low, 0u); }
  if (FORMAT == 4u) { return vec2<u32>(high ^ 0x80000000u, low); }
  if (FORMAT == 5u) { return vec2<u32>(high, low); }
  let size = high & 0x7fffffffu;
  if (size > 0x7ff00000u || (size == 0x7ff00000u && low != 0u)) {
    return vec2<u32>(0xffffffffu);
  }
  if (size == 0u && low == 0u) { return vec2<u32>(0x80000000u, 0u); }
  if (size != high) { return vec2<u32>(~high, ~low); }
  return vec2<u32>(high | 0x80000000u, low);
}

// Key of element i of x.
fn key_at(i : u32) -> vec2<u32> {
  if (FORMAT == 1u) { return order_key((x[i / 2u] >> (16u * (i % 2u))) & 0xffffu, 0u); }
  if (WIDE) { return order_key(x[2u * i], x[2u * i + 1u]); }
  return order_key(x[i], 0u);
}

// NaN's key, and a test for it in float formats.
fn key_is_nan(key : vec2<u32>) -> bool {
  return (FORMAT < 2u || FORMAT == 6u) && key.x == 0xffffffffu && key.y == 0xffffffffu;
}

// a's key is above b's.
fn key_above(a : vec2<u32>, b : vec2<u32>) -> bool {
  if (WIDE) { return a.x > b.x || (a.x == b.x && a.y > b.y); }
  return a.x > b.x;
}
