// y = (x - mean) * f(variance) * scale + shift, where each operand repeats along some axes of x.
//
//   binding  name      access      what
//   0        p         uniform     Params
//   1        x         read        n elements
//   2        mean      read        by stat_step
//   3        variance  read        by stat_step
//   4        scale     read        by scale_step
//   5        shift     read        by scale_step
//   6        y         read_write  n elements
//
// One invocation computes one element. f is 1 / sqrt(variance + epsilon) or (PLUS_DEVIATION)
// 1 / (sqrt(variance) + epsilon). Memory traffic: x is read and y written once. Precision: float32.

// use grid

alias TX = f32; // knob: f32 f16
alias TM = f32; // knob: f32 f16
alias TS = f32; // knob: f32 f16
alias TY = f32; // knob: f32 f16
const PLUS_DEVIATION : bool = false; // knob: any
const HAS_SCALE : bool = true; // knob: any
const SILU : bool = false; // knob: any

struct Params {
  shape : array<vec4<u32>, 2>,       // 1 where there are fewer axes
  stat_step : array<vec4<u32>, 2>,
  scale_step : array<vec4<u32>, 2>,
  n : u32,
  epsilon : f32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<TX>;
@group(0) @binding(2) var<storage, read> mean : array<TM>;
@group(0) @binding(3) var<storage, read> variance : array<TM>;
@group(0) @binding(4) var<storage, read> scale : array<TS>;
@group(0) @binding(5) var<storage, read> shift : array<TS>;
@group(0) @binding(6) var<storage, read_write> y : array<TY>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let at = workgroup_index(wid, nwg) * 256u + lid;
  if (at >= p.n) { return; }
  var rest = at;
  var stat = 0u;
  var channel = 0u;
  for (var i = 0u; i < 8u; i++) {
    let axis = 7u - i;
    let extent = p.shape[axis / 4u][axis % 4u];
    let here = rest % extent;
    rest /= extent;
    stat += here * p.stat_step[axis / 4u][axis % 4u];
    channel += here * p.scale_step[axis / 4u][axis % 4u];
    if (rest == 0u) { break; }
  }
  let v = f32(variance[stat]);
  let factor = select(1.0 / sqrt(v + p.epsilon), 1.0 / (sqrt(v) + p.epsilon), PLUS_DEVIATION);
  var r = (f32(x[at]) - f32(mean[stat])) * factor;
  if (HAS_SCALE) { r = r * f32(scale[channel]) + f32(shift[channel]); }
  if (SILU) {
    let e = exp(-min(abs(r), 80.0));
    r *= select(e, 1.0, r >= 0.0) / (1.0 + e);
  }
  y[at] = TY(r);
}
