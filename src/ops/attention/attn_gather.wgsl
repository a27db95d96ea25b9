// y[b,h,j,:] = keys or values, old ones before new ones, with a bias added to the new ones.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        past     read        element (b, h, j, e) at p_offset + b * p_b + h * p_h + j * size + e
//   2        fresh    read        element (b, h, j, e) at f_offset + b * f_b + h * f_h + j * f_l + e
//   3        bias     read        element h * size + e at bias_offset
//   4        seqlens  read        PER_ENTRY: last key's index of each entry of the batch
//   5        y        read_write  [batch, heads, length, size] from y_offset on
//
// One invocation moves one element. Memory traffic: one read and one write per element.
// PER_ENTRY (GroupQueryAttention): entry b's new rows start behind its own past; before and after
// them stand the past buffer's rows, 0 beyond that.

// use grid

alias TP = f32; // knob: f32 f16
alias TF = f32; // knob: f32 f16
alias TY = f32; // knob: f32 f16
const HAS_BIAS : bool = false; // knob: any
const PER_ENTRY : bool = false; // knob: any

struct Params {
  total : u32,
  heads : u32,
  length : u32,
  size : u32,
  past : u32,       // rows of the past
  fresh_rows : u32,
  prompt : u32,     // PER_ENTRY: 1 when nothing is past
  p_b : u32,
  p_h : u32,
  p_offset : u32,
  f_b : u32,
  f_h : u32,
  f_l : u32,
  f_offset : u32,
  bias_offset : u32,
  y_offset : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> past : array<TP>;
@group(0) @binding(2) var<storage, read> fresh : array<TF>;
@group(0) @binding(3) var<storage, read> bias : array<TF>;
@group(0) @binding(4) var<storage, read> seqlens : array<i32>;
@group(0) @binding(5) var<storage, read_write> y : array<TY>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let at = workgroup_index(wid, nwg) * 256u + lid;
  if (at >= p.total) { return; }
  let e = at % p.size;
  let j = at / p.size % p.length;
  let h = at / p.size / p.length % p.heads;
  let b = at / p.size / p.length / p.heads;
  var before = p.past;
  if (PER_ENTRY) {
    let all = clamp(seqlens[b], -1, i32(p.length)) + 1;
    before = u32(max(select(all - i32(p.fresh_rows), 0, p.prompt != 0u), 0));
  }
  var v = 0.0;
  if (j >= before && j < before + p.fresh_rows) {
    v = f32(fresh[p.f_offset + b * p.f_b + h * p.f_h + (j - before) * p.f_l + e]);
    if (HAS_BIAS) { v += f32(bias[p.bias_offset + h * p.size + e]); }
  } else if (j < p.past) {
    v = f32(past[p.p_offset + b * p.p_b + h * p.p_h + j * p.size + e]);
  }
  y[p.y_offset + at] = TY(v);
}
