// y = act(alpha * A B + beta * c) for matrices A of few rows (up to ROWS), under up to four batch
// axes; B may be packed weights of 2, 4 or 8 bits with a scale per block.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        a       read        A, [m,k] rows, a_ld elements apart
//   2        b       read        B, [k,n] rows (B_T or NBITS: [n,k]), b_ld elements (words) apart
//   3        c       read        bias, read at row * c_m + column * c_n
//   4        b_zero  read        zero points of B's blocks (NBITS)
//   5        b_scale read        scales of B's blocks (NBITS)
//   6        y       read_write  [m,n] rows, y_ld elements apart
//
// One workgroup computes all rows of COLUMNS columns. Its invocations are laid over (column, slice
// of k) so that neighbours read neighbouring elements of B: 32 columns and 8 slices where B is
// contiguous along n, 8 columns and 32 slices where it is contiguous along k. The slices' sums are
// added in workgroup memory (4 KiB). Memory traffic: B is read once, which is what this kernel costs.
// Precision: sums in float32.

// use cut_grid
// use matrices
// use activation

alias AE = f32; // knob: f32 f16
alias BE = f32; // knob: f32 f16 u32
alias BV = f32; // knob: f32 f16 u32 vec4<f32> vec4<f16>
alias CE = f32; // knob: f32 f16
alias YE = f32; // knob: f32 f16
alias SB = f32; // knob: f32 f16
const ROWS : u32 = 1u; // knob: 1 4
const B_T : bool = false; // knob: any
const B_VEC : bool = false; // knob: any
const HAS_C : bool = false; // knob: any
const B_ZERO : bool = false; // knob: any
const NBITS : u32 = 0u; // knob: 0 2 4 8

const ALONG_K : bool = B_T || NBITS != 0u;
const COLUMNS : u32 = select(32u, 8u, ALONG_K);
const SLICES : u32 = 256u / COLUMNS;

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<AE>;
@group(0) @binding(2) var<storage, read> b : array<BV>;
@group(0) @binding(3) var<storage, read> c : array<CE>;
@group(0) @binding(4) var<storage, read> b_zero : array<f32>;
@group(0) @binding(5) var<storage, read> b_scale : array<SB>;
@group(0) @binding(6) var<storage, read_write> y : array<YE>;

var<workgroup> part : array<vec4<f32>, 256>;

// Element k of the rows; rows beyond the matrix repeat the last one.
fn rows_at(base : u32, k : u32) -> vec4<f32> {
  let at = base + k;
  if (ROWS == 1u) { return vec4<f32>(f32(a[at]), 0.0, 0.0, 0.0); }
  let last = p.m - 1u;
  return vec4<f32>(f32(a[at]), f32(a[at + min(1u, last) * p.a_ld]),
                   f32(a[at + min(2u, last) * p.a_ld]), f32(a[at + min(3u, last) * p.a_ld]));
}

// This invocation's share of the sums of one column.
fn share(a_base : u32, b_base : u32, column : u32, slice : u32) -> vec4<f32> {
  var sum = vec4<f32>();
  if (NBITS != 0u) {
    // A word of codes at a time; all of it lies in one block.
    let per_word = 32u / max(NBITS, 1u);
    let words = (p.k + per_word - 1u) / per_word;
    for (var w = slice; w < words; w += SLICES) {
      let k = w * per_word;
      let block = column * p.blocks + k / p.block;
      var zero = f32(1u << (max(NBITS, 1u) - 1u));
      if (B_ZERO) { zero = b_zero[block]; }
      let scale = f32(b_scale[block]);
      var word = vec4<u32>(vec4<BE>(b[column * p.b_ld + w])).x;
      var inner = vec4<f32>();
      for (var i = 0u; i < per_word; i++) {
        if (k + i < p.k) {
          inner += rows_at(a_base, k + i) * (f32(word & ((1u << NBITS) - 1u)) - zero);
        }
        word = word >> (NBITS % 32u);
      }
      sum += inner * scale;
    }
    return sum;
  }
  if (B_T && B_VEC) {
    let at = b_base + column * p.b_ld;
    for (var k = slice * 4u; k < p.k; k += SLICES * 4u) {
      let v = vec4<f32>(vec4<BE>(b[(at + k) / 4u]));
      sum += rows_at(a_base, k) * v.x + rows_at(a_base, k + 1u) * v.y +
             rows_at(a_base, k + 2u) * v.z + rows_at(a_base, k + 3u) * v.w;
    }
    return sum;
  }
  let step = select(p.b_ld, 1u, B_T);
  let at = b_base + column * select(1u, p.b_ld, B_T);
  var k = slice;
  // Four independent loads in flight.
  for (; k + 3u * SLICES < p.k; k += 4u * SLICES) {
    let v0 = vec4<f32>(vec4<BE>(b[at + k * step])).x;
    let v1 = vec4<f32>(vec4<BE>(b[at + (k + SLICES) * step])).x;
    let v2 = vec4<f32>(vec4<BE>(b[at + (k + 2u * SLICES) * step])).x;
    let v3 = vec4<f32>(vec4<BE>(b[at + (k + 3u * SLICES) * step])).x;
    sum += rows_at(a_base, k) * v0 + rows_at(a_base, k + SLICES) * v1 +
           rows_at(a_base, k + 2u * SLICES) * v2 + rows_at(a_base, k + 3u * SLICES) * v3;
  }
  for (; k < p.k; k += SLICES) {
    sum += rows_at(a_base, k) * vec4<f32>(vec4<BE>(b[at + k * step])).x;
  }
  return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let index = workgroup_index(wid, nwg);
  if (index >= p.tiles_n * p.batches) { return; }
  let at = batch_place(index / p.tiles_n);
  let a_base = p.a_offset + batch_offset(at, p.a_step);
  let b_base = p.b_offset + batch_offset(at, p.b_step);
  let c_base = p.c_offset + batch_offset(at, p.c_step);
  let y_base = p.y_offset + batch_offset(at, p.y_step);

  var column_in = lid % COLUMNS;
  var slice = lid / COLUMNS;
  if (ALONG_K) {
    column_in = lid / SLICES;
    slice = lid % SLICES;
  }
  let column = index % p.tiles_n * COLUMNS + column_in;
  var sum = vec4<f32>();
  if (column < p.n) { sum = share(a_base, b_base, column, slice); }
  let place = column_in * SLICES + slice;
  part[place] = sum;
  for (var s = SLICES / 2u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (slice < s) { part[place] += part[place + s]; }
  }
  workgroupBarrier();

  // The first invocations store an element each.
  let out_row = lid / COLUMNS;
  let out_column = index % p.tiles_n * COLUMNS + lid % COLUMNS;
  if (out_row >= min(p.m, ROWS) || out_column >= p.n) { return; }
  let sums = part[lid % COLUMNS * SLICES];
  var v = p.alpha * sums[out_row];
  if (HAS_C) { v += p.beta * f32(c[c_base + out_row * p.c_m + out_column * p.c_n]); }
  y[y_base + out_row * p.y_ld + out_column] = YE(activate(v, p.act_alpha, p.act_beta));
}
