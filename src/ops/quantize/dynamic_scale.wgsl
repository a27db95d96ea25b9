// Scale and zero point of DynamicQuantizeLinear from the bounds of parts of a tensor (range_partial).
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        parts  read        2 * groups: lowest and highest of each part
//   2        scale  read_write  one: (highest - lowest) / 255, or 1 when both are 0
//   3        zero   read_write  one: round(0 - lowest / scale) in 0..255
//
// One workgroup of 256 invocations joins at most 256 bounds in workgroup memory (2 KiB). Quotients
// are rounded to nearest, as on the CPU.

// use grid
// use math

const WG : u32 = 256u; // knob: 256

struct Params {
  groups : u32, // parts
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> parts : array<f32>;
@group(0) @binding(2) var<storage, read_write> scale : array<f32>;
@group(0) @binding(3) var<storage, read_write> zero : array<u32>;

var<workgroup> low : array<f32, 256>;
var<workgroup> high : array<f32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  if (workgroup_index(wid, nwg) != 0u) { return; }
  low[lid] = 0.0;
  high[lid] = 0.0;
  if (lid < p.groups) {
    low[lid] = parts[2u * lid];
    high[lid] = parts[2u * lid + 1u];
  }
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step = step / 2u) {
    if (lid < step) {
      low[lid] = min(low[lid], low[lid + step]);
      high[lid] = max(high[lid], high[lid + step]);
    }
    workgroupBarrier();
  }
  if (lid == 0u) {
    var s = 1.0;
    var z = 0.0;
    if (low[0] < high[0]) {
      s = math_divide(high[0] - low[0], 255.0);
      z = clamp(round(0.0 - math_divide(low[0], s)), 0.0, 255.0);
    }
    scale[0] = s;
    zero[0] = u32(z);
  }
}
