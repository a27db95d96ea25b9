// Sum of word, position and segment embeddings.
//
//   binding  name          access      what
//   0        p             uniform     Params
//   1        ids           read        [rows] of words
//   2        segment_ids   read        [rows]
//   3        position_ids  read        [rows], or one row of positions for all
//   4        words         read        [*, width]
//   5        positions     read        [*, width]
//   6        segments      read        [*, width]
//   7        y             read_write  [rows, width]
//
// One invocation computes one element. Indices beyond a table read anything inside it. Memory
// traffic: three reads and one write per element. Precision: float32.

// use grid

alias T = f32; // knob: f32 f16
alias I = u32; // knob: u32 vec2<u32>
const HAS_SEGMENTS : bool = false; // knob: any
const HAS_POSITIONS : bool = false; // knob: any

struct Params {
  total : u32,
  width : u32,
  segment_rows : u32,   // entries of segment_ids, which repeat
  position_rows : u32,  // entries of position_ids; without those, the length of a sentence
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> ids : array<I>;
@group(0) @binding(2) var<storage, read> segment_ids : array<I>;
@group(0) @binding(3) var<storage, read> position_ids : array<I>;
@group(0) @binding(4) var<storage, read> words : array<T>;
@group(0) @binding(5) var<storage, read> positions : array<T>;
@group(0) @binding(6) var<storage, read> segments : array<T>;
@group(0) @binding(7) var<storage, read_write> y : array<T>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let at = workgroup_index(wid, nwg) * 256u + lid;
  if (at >= p.total) { return; }
  let row = at / p.width;
  let column = at % p.width;
  // The low word is the index, of 32-bit and 64-bit ones alike.
  var sum = f32(words[vec2<u32>(ids[row]).x * p.width + column]);
  var place = row % p.position_rows;
  if (HAS_POSITIONS) { place = vec2<u32>(position_ids[place]).x; }
  sum += f32(positions[place * p.width + column]);
  if (HAS_SEGMENTS) {
    sum += f32(segments[vec2<u32>(segment_ids[row % p.segment_rows]).x * p.width + column]);
  }
  y[at] = T(sum);
}
