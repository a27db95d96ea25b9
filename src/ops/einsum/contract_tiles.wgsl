// Products of matrices that lie in memory by any strides: y[batch, m, n] = sum over k of
// a[batch, m, k] * b[batch, k, n].
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        a     read
//   2        b     read
//   3        y     read_write
//
// One workgroup of 16 x 16 invocations computes a tile of 64 x 64 elements, one invocation 4 x 4 of
// them (16 apart, so that neighbours store neighbours). Tiles of 64 x 16 of both operands pass
// through workgroup memory (8.5 KiB), read along whichever axis is contiguous. Memory traffic: a is
// read N / 64 times, b M / 64 times. Precision: float32.

// use cut_grid

alias TA = f32; // knob: f32 f16
alias TB = f32; // knob: f32 f16
alias TY = f32; // knob: f32 f16
// Loads run along k, rather than along m or n.
const A_ALONG_K : bool = true; // knob: any
const B_ALONG_K : bool = false; // knob: any
const BATCH_AXES : u32 = 8u; // knob: any

// Batch axes are right-aligned: the innermost is the eighth.
struct Params {
  batch_shape : array<vec4<u32>, 2>,
  batch_a : array<vec4<u32>, 2>,
  batch_b : array<vec4<u32>, 2>,
  batch_y : array<vec4<u32>, 2>,
  batches : u32,
  m : u32,
  n : u32,
  k : u32,
  a_m : u32, // strides
  a_k : u32,
  b_k : u32,
  b_n : u32,
  y_m : u32,
  y_n : u32,
  m_tiles : u32,
  n_tiles : u32,
  first_workgroup : u32,  // of the piece at hand
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<TA>;
@group(0) @binding(2) var<storage, read> b : array<TB>;
@group(0) @binding(3) var<storage, read_write> y : array<TY>;

// Rows of 17, so that a column lies in different banks.
var<workgroup> a_tile : array<f32, 1088>;
var<workgroup> b_tile : array<f32, 1088>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_id) local : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg);
  let per_batch = p.m_tiles * p.n_tiles;
  if (group >= p.batches * per_batch) { return; }
  let m0 = group % per_batch / p.n_tiles * 64u;
  let n0 = group % p.n_tiles * 64u;
  var rest = group / per_batch;
  var a_base = 0u;
  var b_base = 0u;
  var y_base = 0u;
  for (var i = 0u; i < BATCH_AXES; i++) {
    let axis = 7u - i;
    let extent = p.batch_shape[axis / 4u][axis % 4u];
    let at = rest % extent;
    rest = rest / extent;
    a_base += at * p.batch_a[axis / 4u][axis % 4u];
    b_base += at * p.batch_b[axis / 4u][axis % 4u];
    y_base += at * p.batch_y[axis / 4u][axis % 4u];
  }
  var sum : array<vec4<f32>, 4>;
  for (var k0 = 0u; k0 < p.k; k0 += 16u) {
    for (var t = lid; t < 1024u; t += 256u) {
      let a_row = select(t % 64u, t / 16u, A_ALONG_K);
      let a_col = select(t / 64u, t % 16u, A_ALONG_K);
      var av = 0.0;
      if (m0 + a_row < p.m && k0 + a_col < p.k) {
        av = f32(a[a_base + (m0 + a_row) * p.a_m + (k0 + a_col) * p.a_k]);
      }
      a_tile[a_row * 17u + a_col] = av;
      let b_row = select(t % 64u, t / 16u, B_ALONG_K);
      let b_col = select(t / 64u, t % 16u, B_ALONG_K);
      var bv = 0.0;
      if (n0 + b_row < p.n && k0 + b_col < p.k) {
        bv = f32(b[b_base + (n0 + b_row) * p.b_n + (k0 + b_col) * p.b_k]);
      }
      b_tile[b_row * 17u + b_col] = bv;
    }
    workgroupBarrier();
    for (var kk = 0u; kk < 16u; kk++) {
      var bv : vec4<f32>;
      for (var j = 0u; j < 4u; j++) { bv[j] = b_tile[(local.x + 16u * j) * 17u + kk]; }
      for (var i = 0u; i < 4u; i++) {
        sum[i] += a_tile[(local.y + 16u * i) * 17u + kk] * bv;
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    let m = m0 + local.y + 16u * i;
    for (var j = 0u; j < 4u; j++) {
      let n = n0 + local.x + 16u * j;
      if (m < p.m && n < p.n) { y[y_base + m * p.y_m + n * p.y_n] = TY(sum[i][j]); }
    }
  }
}
