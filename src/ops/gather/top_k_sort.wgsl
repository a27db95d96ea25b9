// Sorts chunks of P elements of each row, best first, and keeps the first `keep` of each chunk: a
// pass of TopK, or, keeping all, a step of sorting long rows.
//
//   binding  name       access      what
//   0        p          uniform     Params
//   1        x          read        the tensor as words, when FROM_KEYS is false
//   2        keys_in    read        keys (two words when WIDE) of an earlier pass: [rows, n]
//   3        index_in   read        and their positions along the axis
//   4        keys_out   read_write  [rows, chunks, keep]
//   5        index_out  read_write
//
// One workgroup sorts one chunk by a bitonic network in workgroup memory (12 P bytes at most), one
// invocation doing P / 2 / WG exchanges per step. Best is the greatest key, or the smallest when
// not LARGEST; of equals the one with the lower position. Places behind the end of a row sort last.
// MERGE: the chunk is a bitonic sequence already and only the last stage is run.

// use grid
// use order_key

const P : u32 = 1024u; // knob: 64 256 1024
const WG : u32 = 256u; // knob: 32 128 256
const FROM_KEYS : bool = false; // knob: any
const MERGE : bool = false; // knob: any
const LARGEST : bool = true; // knob: any
const MINORS : u32 = select(1u, P, WIDE);
const WORDS : u32 = select(1u, 2u, WIDE);

struct Params {
  rows : u32,
  n : u32,      // elements or candidates of a row
  chunks : u32, // of a row
  keep : u32,
  extent : u32, // of the axis in x
  inner : u32,  // stride of the axis in x
  // A chunk whose first place has this bit set is sorted worst first; 0: none.
  descending_bit : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<u32>;
@group(0) @binding(2) var<storage, read> keys_in : array<u32>;
@group(0) @binding(3) var<storage, read> index_in : array<u32>;
@group(0) @binding(4) var<storage, read_write> keys_out : array<u32>;
@group(0) @binding(5) var<storage, read_write> index_out : array<u32>;

var<workgroup> major : array<u32, P>;
var<workgroup> minor : array<u32, MINORS>;
var<workgroup> position : array<u32, P>;

// Element a belongs before element b.
fn before(a : u32, b : u32) -> bool {
  if (major[a] != major[b]) { return major[a] > major[b]; }
  if (WIDE) {
    if (minor[a % MINORS] != minor[b % MINORS]) { return minor[a % MINORS] > minor[b % MINORS]; }
  }
  return position[a] < position[b];
}

fn exchange(a : u32, b : u32) {
  let m = major[a];
  major[a] = major[b];
  major[b] = m;
  if (WIDE) {
    let l = minor[a % MINORS];
    minor[a % MINORS] = minor[b % MINORS];
    minor[b % MINORS] = l;
  }
  let q = position[a];
  position[a] = position[b];
  position[b] = q;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg);
  if (group >= p.rows * p.chunks) { return; }
  let row = group / p.chunks;
  let first = group % p.chunks * P;
  for (var s = lid; s < P; s += WG) {
    var key = vec2<u32>(0u);
    var at = 0xffffffffu;
    if (first + s < p.n) {
      if (FROM_KEYS) {
        let c = row * p.n + first + s;
        key.x = keys_in[c * WORDS];
        if (WIDE) { key.y = keys_in[c * WORDS + 1u]; }
        at = index_in[c];
      } else {
        at = first + s;
        key = key_at((row / p.inner * p.extent + at) * p.inner + row % p.inner);
        if (!LARGEST) { key = ~key; }
      }
    }
    major[s] = key.x;
    if (WIDE) { minor[s % MINORS] = key.y; }
    position[s] = at;
  }
  workgroupBarrier();
  let worst_first = (first & p.descending_bit) != 0u;
  for (var stage = select(2u, P, MERGE); stage <= P; stage *= 2u) {
    for (var distance = stage / 2u; distance > 0u; distance /= 2u) {
      for (var t = lid; t < P / 2u; t += WG) {
        let a = 2u * t - (t & (distance - 1u));
        let b = a + distance;
        var forward = (a & stage) == 0u;
        if (stage == P) { forward = !worst_first; }
        if (before(b, a) == forward) { exchange(a, b); }
      }
      workgroupBarrier();
    }
  }
  for (var s = lid; s < min(p.keep, P); s += WG) {
    let c = group * p.keep + s;
    keys_out[c * WORDS] = major[s];
    if (WIDE) { keys_out[c * WORDS + 1u] = minor[s % MINORS]; }
    index_out[c] = position[s];
  }
}
