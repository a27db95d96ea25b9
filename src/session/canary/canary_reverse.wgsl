// Self-test: a Slice with negative steps over both axes.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        rows_in x columns_in words
//   2        y     read_write  rows x columns words: x[row_start + r * row_step, column_start + ...]
//
// One invocation moves one word. Memory traffic: one read, one write. Precision: words are moved, so
// every bit counts.

// use grid

struct Params {
  rows : u32,
  columns : u32,
  columns_in : u32,
  row_start : i32,
  row_step : i32,
  column_start : i32,
  column_step : i32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<u32>;
@group(0) @binding(2) var<storage, read_write> y : array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 64u + lid;
  if (i >= p.rows * p.columns) { return; }
  let r = p.row_start + i32(i / p.columns) * p.row_step;
  let c = p.column_start + i32(i % p.columns) * p.column_step;
  y[i] = x[u32(r) * p.columns_in + u32(c)];
}
