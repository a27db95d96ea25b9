// y = (A - a_zero) (B - b_zero), exact, for matrices of 8-bit integers under up to four batch axes,
// four products at a time (language feature packed_4x8_integer_dot_product).
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        a       read        A, a word per element
//   2        b       read        B, a word per element
//   3        a_zero  read        zero points of A's rows (a_zero_step 0: one for all)
//   4        b_zero  read        zero points of B's columns
//   5        y       read_write  [m,n] rows, y_ld elements apart
//
// One workgroup computes a tile of 64 rows and columns in steps of 64 along k; one invocation
// fetches a quad of A (four rows of four elements along k, packed into four words) and one of B, and
// computes 4 x 4 elements. Workgroup memory: 8 KiB; the quads of 16 rows of words change place by an
// exclusive or, which spreads them over its banks. Unsigned operands are shifted to signed ones, and
// what zero points and shifts add is taken off at the end, by the sums of rows and columns:
//   sum (a - za)(b - zb) = sum ab - zb sum a - za sum b + k za zb.
// Memory traffic: A is read n / 64 times, B m / 64 times, y written once. Precision: exact; int32
// wraps.

// needs packed_dot
// use cut_grid
// use matrices

alias AE = i32; // knob: i32 u32
alias BE = i32; // knob: i32 u32
alias ZA = i32; // knob: i32 u32
alias ZB = i32; // knob: i32 u32
const A_T : bool = false; // knob: any
const B_T : bool = false; // knob: any
const A_ZERO : bool = false; // knob: any
const B_ZERO : bool = false; // knob: any
const A_SHIFT : i32 = 0; // knob: 0 128
const B_SHIFT : i32 = 0; // knob: 0 128

const WORDS : u32 = 16u; // along k
const QUADS : u32 = 16u; // of rows or columns

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<AE>;
@group(0) @binding(2) var<storage, read> b : array<BE>;
@group(0) @binding(3) var<storage, read> a_zero : array<ZA>;
@group(0) @binding(4) var<storage, read> b_zero : array<ZB>;
@group(0) @binding(5) var<storage, read_write> y : array<i32>;

var<workgroup> a_tile : array<vec4<u32>, WORDS * QUADS>;
var<workgroup> b_tile : array<vec4<u32>, WORDS * QUADS>;

fn packed(v : vec4<i32>) -> u32 {
  let bytes = vec4<u32>(v) & vec4<u32>(255u);
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

// Element k of a row of A; 0 beyond the matrix.
fn a_at(base : u32, row : u32, k : u32) -> i32 {
  let inside = row < p.m && k < p.k;
  let at = base + row * select(p.a_ld, 1u, A_T) + k * select(1u, p.a_ld, A_T);
  return select(0, i32(a[select(0u, at, inside)]) - A_SHIFT, inside);
}
fn b_at(base : u32, column : u32, k : u32) -> i32 {
  let inside = column < p.n && k < p.k;
  let at = base + column * select(1u, p.b_ld, B_T) + k * select(p.b_ld, 1u, B_T);
  return select(0, i32(b[select(0u, at, inside)]) - B_SHIFT, inside);
}

// Elements k .. k + 3.
fn a_word(base : u32, row : u32, k : u32) -> u32 {
  return packed(vec4<i32>(a_at(base, row, k), a_at(base, row, k + 1u), a_at(base, row, k + 2u),
                          a_at(base, row, k + 3u)));
}
fn b_word(base : u32, column : u32, k : u32) -> u32 {
  return packed(vec4<i32>(b_at(base, column, k), b_at(base, column, k + 1u),
                          b_at(base, column, k + 2u), b_at(base, column, k + 3u)));
}

fn dots(row : u32, columns : vec4<u32>) -> vec4<i32> {
  return vec4<i32>(dot4I8Packed(row, columns.x), dot4I8Packed(row, columns.y),
                   dot4I8Packed(row, columns.z), dot4I8Packed(row, columns.w));
}

fn store(base : u32, row : u32, column : u32, v : vec4<i32>) {
  if (row >= p.m || column >= p.n) { return; }
  let at = base + row * p.y_ld + column;
  y[at] = v.x;
  if (column + 1u < p.n) { y[at + 1u] = v.y; }
  if (column + 2u < p.n) { y[at + 2u] = v.z; }
  if (column + 3u < p.n) { y[at + 3u] = v.w; }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let tiles = p.tiles_m * p.tiles_n;
  let index = workgroup_index(wid, nwg);
  if (index >= tiles * p.batches) { return; }

  // Which matrices.
  let at = batch_place(index / tiles);
  let a_base = p.a_offset + batch_offset(at, p.a_step);
  let b_base = p.b_offset + batch_offset(at, p.b_step);
  let y_base = p.y_offset + batch_offset(at, p.y_step);
  let first_row = index % tiles / p.tiles_n * 64u;
  let first_column = index % p.tiles_n * 64u;

  // Which quads this invocation fetches: neighbours where elements are neighbours.
  var a_k = lid % WORDS;
  var a_quad = lid / WORDS;
  if (A_T) {
    a_k = lid / QUADS;
    a_quad = lid % QUADS;
  }
  var b_k = lid / QUADS;
  var b_quad = lid % QUADS;
  if (B_T) {
    b_k = lid % WORDS;
    b_quad = lid / WORDS;
  }
  let a_put = a_k * QUADS + (a_quad ^ (a_k % 8u));
  let b_put = b_k * QUADS + (b_quad ^ (b_k % 8u));
  let a_row = first_row + a_quad * 4u;
  let b_column = first_column + b_quad * 4u;

  // And which it computes.
  let tx = lid % 16u;
  let ty = lid / 16u;
  var s0 = vec4<i32>();
  var s1 = vec4<i32>();
  var s2 = vec4<i32>();
  var s3 = vec4<i32>();
  var a_sum = vec4<i32>();
  var b_sum = vec4<i32>();
  const ONES : u32 = 0x01010101u;
  for (var k = 0u; k < p.k; k += 4u * WORDS) {
    let at_a = k + 4u * a_k;
    let at_b = k + 4u * b_k;
    // Loops, since software adapters take minutes over 32 loads in a row.
    var a_next = vec4<u32>();
    for (var r = 0u; r < 4u; r++) { a_next[r] = a_word(a_base, a_row + r, at_a); }
    var b_next = vec4<u32>();
    for (var r = 0u; r < 4u; r++) { b_next[r] = b_word(b_base, b_column + r, at_b); }
    workgroupBarrier();
    a_tile[a_put] = a_next;
    b_tile[b_put] = b_next;
    workgroupBarrier();
    for (var word = 0u; word < WORDS; word++) {
      let av = a_tile[word * QUADS + (ty ^ (word % 8u))];
      let bv = b_tile[word * QUADS + (tx ^ (word % 8u))];
      s0 += dots(av.x, bv);
      s1 += dots(av.y, bv);
      s2 += dots(av.z, bv);
      s3 += dots(av.w, bv);
      if (B_ZERO || B_SHIFT != 0) { a_sum += dots(ONES, av); }
      if (A_ZERO || A_SHIFT != 0) { b_sum += dots(ONES, bv); }
    }
  }

  let row = first_row + ty * 4u;
  let column = first_column + tx * 4u;
  // Beyond the matrix anything is read: what comes of it is not stored.
  var za = vec4<i32>(-A_SHIFT);
  if (A_ZERO) {
    let z = row * p.a_zero_step;
    za += vec4<i32>(i32(a_zero[z]), i32(a_zero[z + p.a_zero_step]),
                    i32(a_zero[z + 2u * p.a_zero_step]), i32(a_zero[z + 3u * p.a_zero_step]));
  }
  var zb = vec4<i32>(-B_SHIFT);
  if (B_ZERO) {
    let z = column * p.b_zero_step;
    zb += vec4<i32>(i32(b_zero[z]), i32(b_zero[z + p.b_zero_step]),
                    i32(b_zero[z + 2u * p.b_zero_step]), i32(b_zero[z + 3u * p.b_zero_step]));
  }
  let whole = i32(p.k) * zb - b_sum;
  store(y_base, row, column, s0 - zb * a_sum.x + za.x * whole);
  store(y_base, row + 1u, column, s1 - zb * a_sum.y + za.y * whole);
  store(y_base, row + 2u, column, s2 - zb * a_sum.z + za.z * whole);
  store(y_base, row + 3u, column, s3 - zb * a_sum.w + za.w * whole);
}
