// The sum of all losses, or (MEAN) that sum divided by the sum of the weights.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        value  read        n losses
//   2        share  read        n weights
//   3        y      read_write  one element
//
// One workgroup: each invocation sums every 256th element, then the sums are halved in number in
// workgroup memory (2 KiB). float32; the sums of n / 256 elements keep what rounding drops.

// use grid
// use math

alias R = f32; // knob: f32 f16
const MEAN : bool = true; // knob: true false
const WG : u32 = 256u; // knob: 256

struct Params {
  n : u32, // losses
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> value : array<f32>;
@group(0) @binding(2) var<storage, read> share : array<f32>;
@group(0) @binding(3) var<storage, read_write> y : array<R>;

var<workgroup> values : array<f32, 256>;
var<workgroup> shares : array<f32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  if (workgroup_index(wid, nwg) != 0u) { return; }
  var v = vec2<f32>(0.0, 0.0);
  var s = vec2<f32>(0.0, 0.0);
  for (var i = lid; i < p.n; i = i + WG) {
    let next = math_pair_sum(v.x, value[i]);
    v = vec2<f32>(next.x, v.y + next.y);
    let next_share = math_pair_sum(s.x, share[i]);
    s = vec2<f32>(next_share.x, s.y + next_share.y);
  }
  values[lid] = v.x + v.y;
  shares[lid] = s.x + s.y;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step = step / 2u) {
    if (lid < step) {
      values[lid] = values[lid] + values[lid + step];
      shares[lid] = shares[lid] + shares[lid + step];
    }
    workgroupBarrier();
  }
  if (lid == 0u) {
    if (!MEAN) {
      y[0] = R(values[0]);
    } else if (shares[0] == 0.0 && values[0] == 0.0) {
      y[0] = R(math_nan(values[0]));
    } else {
      y[0] = R(values[0] / shares[0]);
    }
  }
}
