// Elementwise operators over features, the last axis: Binarizer, Scaler, Imputer.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n elements
//   2        a     read        a_count numbers, one per feature or one for all
//   3        b     read        b_count numbers
//   4        y     read_write  n elements
//
// OP 0: x > a ? 1 : 0; 1: (x - a) * b; 2: b where x is a (NaN being itself), else x. One invocation
// computes one element. Memory traffic: each element is read once and written once. Precision:
// float32.

// use grid

alias TX = f32; // knob: f32 f16 i32 u32
alias TY = f32; // knob: f32 f16
const OP : u32 = 0u; // knob: 0 1 2
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
  features : u32,
  a_count : u32,
  b_count : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<TX>;
@group(0) @binding(2) var<storage, read> a : array<f32>;
@group(0) @binding(3) var<storage, read> b : array<f32>;
@group(0) @binding(4) var<storage, read_write> y : array<TY>;

fn is_nan(v : f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let feature = i % p.features;
  let v = f32(x[i]);
  let av = a[select(0u, feature, p.a_count > 1u)];
  let bv = b[select(0u, feature, p.b_count > 1u)];
  if (OP == 0u) {
    y[i] = select(TY(0), TY(1), v > av && !is_nan(v));
  } else if (OP == 1u) {
    y[i] = TY((v - av) * bv);
  } else {
    let same = (is_nan(v) && is_nan(av)) || (!is_nan(v) && !is_nan(av) && v == av);
    y[i] = TY(select(v, bv, same));
  }
}
