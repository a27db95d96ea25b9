// One step of an optimizer on one tensor: x, its gradient g and its state.
//
//   binding  name       access      what
//   0        p          uniform     Params
//   1        rate       read        two floats (optimizer_rate)
//   2        x          read        n elements
//   3        g          read        n elements
//   4        s          read        n elements: squared gradients, first moment or momentum
//   5        v          read        n elements: second moment (Adam)
//   6        x_new      read_write  n elements
//   7        s_new      read_write  n elements
//   8        v_new      read_write  n elements (Adam)
//
// One invocation updates one element; everything is read once and written once. float32.
//   OP 0 Adagrad, 1 Adam, 2 Momentum, 3 Momentum of Nesterov.

// use grid

const OP : u32 = 0u; // knob: 0 1 2 3
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,         // elements
  alpha : f32,     // decay of the first moment, or of the momentum
  beta : f32,      // decay of the second moment
  epsilon : f32,   // added to the divisor
  norm : f32,      // x's share of the gradient
  norm_post : f32, // x's decay after the step (Adam)
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> rate : array<f32>;
@group(0) @binding(2) var<storage, read> x : array<f32>;
@group(0) @binding(3) var<storage, read> g : array<f32>;
@group(0) @binding(4) var<storage, read> s : array<f32>;
@group(0) @binding(5) var<storage, read> v : array<f32>;
@group(0) @binding(6) var<storage, read_write> x_new : array<f32>;
@group(0) @binding(7) var<storage, read_write> s_new : array<f32>;
@group(0) @binding(8) var<storage, read_write> v_new : array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let gradient = p.norm * x[i] + g[i];
  let r = rate[0];
  if (OP == 0u) {
    let sum = s[i] + gradient * gradient;
    s_new[i] = sum;
    x_new[i] = x[i] - r * gradient / (sqrt(sum) + p.epsilon);
  } else if (OP == 1u) {
    let first = p.alpha * s[i] + (1.0 - p.alpha) * gradient;
    let second = p.beta * v[i] + (1.0 - p.beta) * gradient * gradient;
    s_new[i] = first;
    v_new[i] = second;
    x_new[i] = (x[i] - r * first / (sqrt(second) + p.epsilon)) * (1.0 - p.norm_post);
  } else {
    let momentum = p.alpha * s[i] + rate[1] * gradient;
    s_new[i] = momentum;
    if (OP == 2u) {
      x_new[i] = x[i] - r * momentum;
    } else {
      x_new[i] = x[i] - r * (gradient + p.alpha * momentum);
    }
  }
}
