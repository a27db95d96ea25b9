// The loss of each target: -weight[label] * logs[.., label, ..]; 0 for the label to be ignored. A
// label that is no class, an error on the CPU, gives NaN.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        logs    read        [outer, classes, inner]
//   2        target_class  read  [outer, inner]: int32, or int64 as two words (LONG)
//   3        weight  read        [classes], where HAS_WEIGHT
//   4        value   read_write  [outer, inner]
//   5        share   read_write  [outer, inner]: the weight of each target
//
// One invocation makes one loss. Precision: float32.

// use grid
// use math

alias T = f32; // knob: f32 f16
alias W = f32; // knob: f32 f16
alias R = f32; // knob: f32 f16
const LONG : bool = true; // knob: true false
const HAS_WEIGHT : bool = false; // knob: true false
const HAS_IGNORED : bool = false; // knob: true false
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,            // targets
  classes : u32,      //
  inner : u32,        // targets of one line
  ignored_low : u32,  // the label to be ignored
  ignored_high : u32, //
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> logs : array<T>;
@group(0) @binding(2) var<storage, read> target_class : array<u32>;
@group(0) @binding(3) var<storage, read> weight : array<W>;
@group(0) @binding(4) var<storage, read_write> value : array<R>;
@group(0) @binding(5) var<storage, read_write> share : array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  var label = vec2<u32>(0u, 0u);
  if (LONG) {
    label = vec2<u32>(target_class[2u * i], target_class[2u * i + 1u]);
  } else {
    label = i64_from_i32(bitcast<i32>(target_class[i]));
  }
  if (HAS_IGNORED && i64_equal(label, vec2<u32>(p.ignored_low, p.ignored_high))) {
    value[i] = R(0.0);
    share[i] = 0.0;
    return;
  }
  if (label.y != 0u || label.x >= p.classes) {
    value[i] = R(math_nan(f32(i)));
    share[i] = 1.0;
    return;
  }
  var w = 1.0;
  if (HAS_WEIGHT) { w = f32(weight[label.x]); }
  let line = i / p.inner;
  let at = (line * p.classes + label.x) * p.inner + (i - line * p.inner);
  value[i] = R(-w * f32(logs[at]));
  share[i] = w;
}
