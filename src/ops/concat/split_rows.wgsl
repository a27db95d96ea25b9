// Up to seven results of Split at a time, where the whole has more than one row, so that no result is
// a range of it.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [rows, row]
//   2..8     y0..  read_write  results: [rows, their length]
//
// One invocation moves one unit of memory (T). Memory traffic: each is read once and written once,
// neighbours by neighbours. Bit-exact.

// use grid
// use row_parts

alias T = u32; // knob: u32 f16 vec2<u32> vec4<u32>
const PARTS : u32 = 7u; // knob: 1 2 3 4 5 6 7

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y0 : array<T>;
@group(0) @binding(3) var<storage, read_write> y1 : array<T>;
@group(0) @binding(4) var<storage, read_write> y2 : array<T>;
@group(0) @binding(5) var<storage, read_write> y3 : array<T>;
@group(0) @binding(6) var<storage, read_write> y4 : array<T>;
@group(0) @binding(7) var<storage, read_write> y5 : array<T>;
@group(0) @binding(8) var<storage, read_write> y6 : array<T>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  let row = i / p.span;
  let column = i % p.span;
  let a = p.ends[0];
  let b = p.ends[1];
  let v = x[row * p.row + p.first + column];
  if (column < a.x) {
    y0[row * a.x + column] = v;
  } else if (PARTS > 1u && column < a.y) {
    y1[row * (a.y - a.x) + column - a.x] = v;
  } else if (PARTS > 2u && column < a.z) {
    y2[row * (a.z - a.y) + column - a.y] = v;
  } else if (PARTS > 3u && column < a.w) {
    y3[row * (a.w - a.z) + column - a.z] = v;
  } else if (PARTS > 4u && column < b.x) {
    y4[row * (b.x - a.w) + column - a.w] = v;
  } else if (PARTS > 5u && column < b.y) {
    y5[row * (b.y - b.x) + column - b.x] = v;
  } else if (PARTS > 6u) {
    y6[row * (b.z - b.y) + column - b.y] = v;
  }
}
