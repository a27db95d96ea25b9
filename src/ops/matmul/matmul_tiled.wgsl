// y = act(alpha * A B + beta * c) for matrices under up to four batch axes; integer operands may
// have zero points, and B may be packed weights of 2, 4 or 8 bits with a scale per block.
//
//   binding  name    access      what
//   0        p       uniform     Params
//   1        a       read        A, [m,k] rows (A_T: [k,m]), a_ld elements apart
//   2        b       read        B, [k,n] rows (B_T or NBITS: [n,k]), b_ld elements (words) apart
//   3        c       read        bias, read at row * c_m + column * c_n
//   4        a_zero  read        zero points of A's rows (a_zero_step 0: one for all)
//   5        b_zero  read        zero points of B's columns, or of its blocks (NBITS)
//   6        b_scale read        scales of B's blocks (NBITS)
//   7        y       read_write  [m,n] rows, y_ld elements apart
//
// One workgroup computes a tile of TX * R rows and columns in steps of TILE_K along k; one
// invocation computes R x R elements as quads: rows 4 ty .. 4 ty + 3 (R = 8: and as many half a tile
// further down), columns likewise. A step's tiles of A and B stand in workgroup memory as quads
// along rows and columns, twice, so that the next step is fetched while this one is multiplied and
// one barrier per step is enough. The sizes are chosen so that every invocation fetches exactly one
// quad of A and one of B: TX * R * TILE_K == 4 * TX * TX. Workgroup memory: 16 KiB for (TX 16, R 8,
// TILE_K 8) and (16, 4, 16), 4 KiB for (8, 4, 8).
//
// An operand that is contiguous along k is fetched as single elements with neighbouring invocations
// along k; its quads then change place by an exclusive or with k, which spreads the stores over the
// banks of workgroup memory. Memory traffic: A is read n / tile times, B m / tile times, y written
// once. Tiles are walked eight rows of tiles at a time, so that B's columns stay in the cache.
// Precision: sums in float32, or exact (wrapping) in int32.

// use cut_grid
// use matrices
// use activation

alias AE = f32; // knob: f32 f16 i32 u32
alias AV = f32; // knob: f32 f16 i32 u32 vec4<f32> vec4<f16> vec4<i32> vec4<u32>
alias BE = f32; // knob: f32 f16 i32 u32
alias BV = f32; // knob: f32 f16 i32 u32 vec4<f32> vec4<f16> vec4<i32> vec4<u32>
alias CE = f32; // knob: f32 f16
alias YE = f32; // knob: f32 f16 i32 u32
alias ZA = i32; // knob: i32 u32
alias ZB = i32; // knob: i32 u32 f32
alias SB = f32; // knob: f32 f16
alias ACC = f32; // knob: f32 i32
const TX : u32 = 16u; // knob: 8 16
const R : u32 = 4u; // knob: 4 8
const TILE_K : u32 = 16u; // knob: 8 16
const A_T : bool = false; // knob: any
const B_T : bool = false; // knob: any
const A_VEC : bool = false; // knob: any
const B_VEC : bool = false; // knob: any
const HAS_C : bool = false; // knob: any
const SCALED : bool = false; // knob: any
const A_ZERO : bool = false; // knob: any
const B_ZERO : bool = false; // knob: any
const NBITS : u32 = 0u; // knob: 0 2 4 8

const TILE : u32 = TX * R;
const QUADS : u32 = TILE / 4u;
const STAGE : u32 = TILE_K * QUADS;

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> a : array<AV>;
@group(0) @binding(2) var<storage, read> b : array<BV>;
@group(0) @binding(3) var<storage, read> c : array<CE>;
@group(0) @binding(4) var<storage, read> a_zero : array<ZA>;
@group(0) @binding(5) var<storage, read> b_zero : array<ZB>;
@group(0) @binding(6) var<storage, read> b_scale : array<SB>;
@group(0) @binding(7) var<storage, read_write> y : array<YE>;

var<workgroup> a_tile : array<vec4<ACC>, 2u * STAGE>;
var<workgroup> b_tile : array<vec4<ACC>, 2u * STAGE>;

// One element; the detour over a vector is the same expression for scalar and vector buffers.
fn a_at(i : u32) -> ACC { return vec4<ACC>(vec4<AE>(a[i])).x; }
fn b_at(i : u32) -> ACC { return vec4<ACC>(vec4<BE>(b[i])).x; }

// Rows row .. row + 3 of column k of op(A); 0 beyond the matrix.
fn load_a(base : u32, row : u32, k : u32) -> vec4<ACC> {
  var v = vec4<ACC>();
  if (k >= p.k || row >= p.m) { return v; }
  if (A_T) {
    let at = base + k * p.a_ld + row;
    if (A_VEC) {
      v = vec4<ACC>(vec4<AE>(a[at / 4u]));
    } else {
      v.x = a_at(at);
      if (row + 1u < p.m) { v.y = a_at(at + 1u); }
      if (row + 2u < p.m) { v.z = a_at(at + 2u); }
      if (row + 3u < p.m) { v.w = a_at(at + 3u); }
    }
  } else {
    let at = base + row * p.a_ld + k;
    v.x = a_at(at);
    if (row + 1u < p.m) { v.y = a_at(at + p.a_ld); }
    if (row + 2u < p.m) { v.z = a_at(at + 2u * p.a_ld); }
    if (row + 3u < p.m) { v.w = a_at(at + 3u * p.a_ld); }
  }
  if (A_ZERO) {
    // Rows beyond the matrix get anything: their results are not stored.
    let z = row * p.a_zero_step;
    v -= vec4<ACC>(ACC(a_zero[z]), ACC(a_zero[z + p.a_zero_step]),
                   ACC(a_zero[z + 2u * p.a_zero_step]), ACC(a_zero[z + 3u * p.a_zero_step]));
  }
  return v;
}

// Weight k of column j of packed B.
fn unpacked(j : u32, k : u32) -> ACC {
  if (j >= p.n) { return ACC(); }
  let per_word = 32u / max(NBITS, 1u);
  let word = vec4<u32>(vec4<BE>(b[j * p.b_ld + k / per_word])).x;
  let code = (word >> (k % per_word * NBITS)) & ((1u << NBITS) - 1u);
  let block = j * p.blocks + k / p.block;
  var zero = f32(1u << (max(NBITS, 1u) - 1u));
  if (B_ZERO) { zero = f32(b_zero[block]); }
  return ACC((f32(code) - zero) * f32(b_scale[block]));
}

// Columns column .. column + 3 of row k of op(B); 0 beyond the matrix.
fn load_b(base : u32, column : u32, k : u32) -> vec4<ACC> {
  var v = vec4<ACC>();
  if (k >= p.k || column >= p.n) { return v; }
  if (NBITS != 0u) {
    return vec4<ACC>(unpacked(column, k), unpacked(column + 1u, k), unpacked(column + 2u, k),
                     unpacked(column + 3u, k));
  }
  if (!B_T) {
    let at = base + k * p.b_ld + column;
    if (B_VEC) {
      v = vec4<ACC>(vec4<BE>(b[at / 4u]));
    } else {
      v.x = b_at(at);
      if (column + 1u < p.n) { v.y = b_at(at + 1u); }
      if (column + 2u < p.n) { v.z = b_at(at + 2u); }
      if (column + 3u < p.n) { v.w = b_at(at + 3u); }
    }
  } else {
    let at = base + column * p.b_ld + k;
    v.x = b_at(at);
    if (column + 1u < p.n) { v.y = b_at(at + p.b_ld); }
    if (column + 2u < p.n) { v.z = b_at(at + 2u * p.b_ld); }
    if (column + 3u < p.n) { v.w = b_at(at + 3u * p.b_ld); }
  }
  if (B_ZERO) {
    let z = column * p.b_zero_step;
    v -= vec4<ACC>(ACC(b_zero[z]), ACC(b_zero[z + p.b_zero_step]),
                   ACC(b_zero[z + 2u * p.b_zero_step]), ACC(b_zero[z + 3u * p.b_zero_step]));
  }
  return v;
}

// What becomes of one sum.
fn finished(sum : ACC, c_at : u32) -> YE {
  if (!SCALED) { return YE(sum); }
  var v = p.alpha * f32(sum);
  if (HAS_C) { v += p.beta * f32(c[c_at]); }
  return YE(activate(v, p.act_alpha, p.act_beta));
}

fn store(y_base : u32, c_base : u32, row : u32, column : u32, v : vec4<ACC>) {
  if (row >= p.m || column >= p.n) { return; }
  let c_at = c_base + row * p.c_m + column * p.c_n;
  let at = y_base + row * p.y_ld + column;
  y[at] = finished(v.x, c_at);
  if (column + 1u < p.n) { y[at + 1u] = finished(v.y, c_at + p.c_n); }
  if (column + 2u < p.n) { y[at + 2u] = finished(v.z, c_at + 2u * p.c_n); }
  if (column + 3u < p.n) { y[at + 3u] = finished(v.w, c_at + 3u * p.c_n); }
}

@compute @workgroup_size(TX * TX)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let tiles = p.tiles_m * p.tiles_n;
  let index = workgroup_index(wid, nwg);
  if (index >= tiles * p.batches) { return; }

  // Which matrices.
  let at = batch_place(index / tiles);
  let a_base = p.a_offset + batch_offset(at, p.a_step);
  let b_base = p.b_offset + batch_offset(at, p.b_step);
  let c_base = p.c_offset + batch_offset(at, p.c_step);
  let y_base = p.y_offset + batch_offset(at, p.y_step);

  // Which tile: bands of eight rows of tiles, walked column by column.
  let tile = index % tiles;
  let band = tile / (8u * p.tiles_n);
  let in_band = tile - band * 8u * p.tiles_n;
  let height = min(8u, p.tiles_m - band * 8u);
  let first_row = (band * 8u + in_band % height) * TILE;
  let first_column = in_band / height * TILE;

  // Which quads this invocation fetches.
  var a_k = lid % TILE_K;
  var a_quad = lid / TILE_K;
  if (A_T) {
    a_k = lid / QUADS;
    a_quad = lid % QUADS;
  }
  var b_k = lid % TILE_K;
  var b_quad = lid / TILE_K;
  if (!B_T && NBITS == 0u) {
    b_k = lid / QUADS;
    b_quad = lid % QUADS;
  }
  const B_ALONG_K = B_T || NBITS != 0u;
  let a_put = a_k * QUADS + select(a_quad ^ (a_k % min(8u, TX)), a_quad, A_T);
  let b_put = b_k * QUADS + select(b_quad, b_quad ^ (b_k % min(8u, TX)), B_ALONG_K);
  let a_row = first_row + a_quad * 4u;
  let b_column = first_column + b_quad * 4u;

  // And which it computes.
  let tx = lid % TX;
  let ty = lid / TX;
  var s000 = vec4<ACC>();
  var s001 = vec4<ACC>();
  var s010 = vec4<ACC>();
  var s011 = vec4<ACC>();
  var s020 = vec4<ACC>();
  var s021 = vec4<ACC>();
  var s030 = vec4<ACC>();
  var s031 = vec4<ACC>();
  var s100 = vec4<ACC>();
  var s101 = vec4<ACC>();
  var s110 = vec4<ACC>();
  var s111 = vec4<ACC>();
  var s120 = vec4<ACC>();
  var s121 = vec4<ACC>();
  var s130 = vec4<ACC>();
  var s131 = vec4<ACC>();

  // Turn i fetches step i while step i - 1 is multiplied, and stores it behind.
  var stage = 0u;
  let turns = (p.k + TILE_K - 1u) / TILE_K;
  for (var turn = 0u; turn <= turns; turn++) {
    let a_next = load_a(a_base, a_row, turn * TILE_K + a_k);
    let b_next = load_b(b_base, b_column, turn * TILE_K + b_k);
    if (turn > 0u) {
      for (var k = 0u; k < TILE_K; k++) {
        let row = STAGE - stage + k * QUADS;
        var a_get = row + ty;
        if (!A_T) { a_get = row + (ty ^ (k % min(8u, TX))); }
        var b_get = row + tx;
        if (B_ALONG_K) { b_get = row + (tx ^ (k % min(8u, TX))); }
        let a0 = a_tile[a_get];
        let b0 = b_tile[b_get];
        s000 += a0.x * b0;
        s010 += a0.y * b0;
        s020 += a0.z * b0;
        s030 += a0.w * b0;
        if (R == 8u) {
          let a1 = a_tile[a_get + TX];
          let b1 = b_tile[b_get + TX];
          s001 += a0.x * b1;
          s011 += a0.y * b1;
          s021 += a0.z * b1;
          s031 += a0.w * b1;
          s100 += a1.x * b0;
          s101 += a1.x * b1;
          s110 += a1.y * b0;
          s111 += a1.y * b1;
          s120 += a1.z * b0;
          s121 += a1.z * b1;
          s130 += a1.w * b0;
          s131 += a1.w * b1;
        }
      }
    }
    a_tile[stage + a_put] = a_next;
    b_tile[stage + b_put] = b_next;
    stage = STAGE - stage;
    workgroupBarrier();
  }

  // One call for all quads: inlined a dozen times, the epilogue would swell the shader. (The clamped
  // indices are those of R = 4, where the branch is dead.)
  const COUNT = R * R / 4u;
  var quads : array<vec4<ACC>, COUNT>;
  quads[0] = s000;
  quads[1] = s010;
  quads[2] = s020;
  quads[3] = s030;
  if (R == 8u) {
    quads[min(4u, COUNT - 1u)] = s001;
    quads[min(5u, COUNT - 1u)] = s011;
    quads[min(6u, COUNT - 1u)] = s021;
    quads[min(7u, COUNT - 1u)] = s031;
    quads[min(8u, COUNT - 1u)] = s100;
    quads[min(9u, COUNT - 1u)] = s110;
    quads[min(10u, COUNT - 1u)] = s120;
    quads[min(11u, COUNT - 1u)] = s130;
    quads[min(12u, COUNT - 1u)] = s101;
    quads[min(13u, COUNT - 1u)] = s111;
    quads[min(14u, COUNT - 1u)] = s121;
    quads[min(15u, COUNT - 1u)] = s131;
  }
  let row = first_row + ty * 4u;
  let column = first_column + tx * 4u;
  for (var i = 0u; i < COUNT; i++) {
    store(y_base, c_base, row + i % 4u + i / 8u * TX * 4u, column + i / 4u % 2u * TX * 4u, quads[i]);
  }
}
