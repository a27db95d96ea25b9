// Linear resize of the last two axes: each element blends two rows and two columns.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        x        read        [planes, H, W]
//   2        rows     read        by output row: two row offsets in x, two weights (float bits)
//   3        columns  read        by output column: two columns, two weights
//   4        y        read_write  [planes, H', W']
//
// One invocation computes the same place of PLANES planes, so that the tables are read once for
// all. Memory traffic: x once (neighbours come from cache), y once. Precision: float32 inside;
// integers are rounded to nearest even and saturate.

// use grid

alias T = f32; // knob: f32 f16 i32 u32
const INTEGER : bool = false; // knob: true false
const PLANES : u32 = 4u; // knob: 1 2 4
const WG : u32 = 256u;

struct Params {
  planes : u32,     //
  in_plane : u32,   // H * W
  out_plane : u32,  // H' * W'
  out_width : u32,  // W'
  n : u32,          // places times blocks of planes
  low : f32,        // bounds of an integer dtype
  high : f32,       //
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> rows : array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> columns : array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let place = i % p.out_plane;
  let first = i / p.out_plane * PLANES;
  let row = rows[place / p.out_width];
  let column = columns[place % p.out_width];
  let fy = bitcast<vec2<f32>>(row.zw);
  let fx = bitcast<vec2<f32>>(column.zw);
  for (var j = 0u; j < PLANES; j++) {
    let plane = first + j;
    if (plane >= p.planes) { break; }
    let base = plane * p.in_plane;
    let above = fx.x * f32(x[base + row.x + column.x]) + fx.y * f32(x[base + row.x + column.y]);
    let below = fx.x * f32(x[base + row.y + column.x]) + fx.y * f32(x[base + row.y + column.y]);
    let v = fy.x * above + fy.y * below;
    if (INTEGER) {
      y[plane * p.out_plane + place] = T(i32(clamp(round(v), p.low, p.high)));
    } else {
      y[plane * p.out_plane + place] = T(v);
    }
  }
}
