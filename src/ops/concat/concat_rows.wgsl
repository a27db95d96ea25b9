// Up to seven operands of Concat at a time, where the whole has more than one row, so that no operand
// is a range of it.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1..7     x0..  read        operands: [rows, their length]
//   8        y     read_write  [rows, row]
//
// One invocation moves one unit of memory (T). Memory traffic: each is read once and written once,
// neighbours by neighbours. Bit-exact.

// use grid
// use row_parts

alias T = u32; // knob: u32 f16 vec2<u32> vec4<u32>
const PARTS : u32 = 7u; // knob: 1 2 3 4 5 6 7

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x0 : array<T>;
@group(0) @binding(2) var<storage, read> x1 : array<T>;
@group(0) @binding(3) var<storage, read> x2 : array<T>;
@group(0) @binding(4) var<storage, read> x3 : array<T>;
@group(0) @binding(5) var<storage, read> x4 : array<T>;
@group(0) @binding(6) var<storage, read> x5 : array<T>;
@group(0) @binding(7) var<storage, read> x6 : array<T>;
@group(0) @binding(8) var<storage, read_write> y : array<T>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  let row = i / p.span;
  let column = i % p.span;
  let a = p.ends[0];
  let b = p.ends[1];
  var v = T();
  if (column < a.x) {
    v = x0[row * a.x + column];
  } else if (PARTS > 1u && column < a.y) {
    v = x1[row * (a.y - a.x) + column - a.x];
  } else if (PARTS > 2u && column < a.z) {
    v = x2[row * (a.z - a.y) + column - a.y];
  } else if (PARTS > 3u && column < a.w) {
    v = x3[row * (a.w - a.z) + column - a.z];
  } else if (PARTS > 4u && column < b.x) {
    v = x4[row * (b.x - a.w) + column - a.w];
  } else if (PARTS > 5u && column < b.y) {
    v = x5[row * (b.y - b.x) + column - b.x];
  } else if (PARTS > 6u) {
    v = x6[row * (b.z - b.y) + column - b.y];
  }
  y[row * p.row + p.first + column] = v;
}
