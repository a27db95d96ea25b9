// Lowest and highest element of parts of x, 0 included.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        x      read        n elements
//   2        parts  read_write  2 * groups: lowest and highest of each part
//
// Workgroup g takes every groups-th run of WG elements; its invocations keep the bounds of theirs in
// registers, then halve the number of bounds in workgroup memory (2 KiB). NaN is passed over. Exact.

// use grid
// use math

const WG : u32 = 256u; // knob: 256

struct Params {
  n : u32,      // elements
  groups : u32, // workgroups that take part
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<f32>;
@group(0) @binding(2) var<storage, read_write> parts : array<f32>;

var<workgroup> low : array<f32, 256>;
var<workgroup> high : array<f32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg);
  if (group >= p.groups) { return; }
  var lowest = 0.0;
  var highest = 0.0;
  for (var i = group * WG + lid; i < p.n; i = i + p.groups * WG) {
    let v = x[i];
    if (!math_is_nan(v)) {
      lowest = min(lowest, v);
      highest = max(highest, v);
    }
  }
  low[lid] = lowest;
  high[lid] = highest;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step = step / 2u) {
    if (lid < step) {
      low[lid] = min(low[lid], low[lid + step]);
      high[lid] = max(high[lid], high[lid + step]);
    }
    workgroupBarrier();
  }
  if (lid == 0u) {
    parts[2u * group] = low[0];
    parts[2u * group + 1u] = high[0];
  }
}
