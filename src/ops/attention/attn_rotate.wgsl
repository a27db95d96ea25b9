// Rotates pairs of elements of every head by the angles of its position.
//
//   binding  name      access      what
//   0        p         uniform     Params
//   1        x         read        element (b, h, i, e) at x_offset + b * x_b + h * x_h + i * x_l + e
//   2        cosines   read        [rows, half]
//   3        sines     read        [rows, half]
//   4        position  read        POSITION 1: 64-bit rows of the tables, [batch, length]; negative ones
//                                  from the end. 2: the row of i = 0. 3 (as 32-bit integers): the
//                                  last key's index of each entry of the batch
//   5        y         read_write  element (b, h, i, e) at b * y_b + h * y_h + i * y_l + e
//
// POSITION 0: the tables have a row for each (b, i). One invocation computes one element from itself
// and its partner: element e + half or, INTERLEAVED, the neighbour. Elements from 2 * half on are
// copied. Memory traffic: four reads, one write per element. Precision: float32.

// use grid

alias TX = f32; // knob: f32 f16
alias TC = f32; // knob: f32 f16
alias TY = f32; // knob: f32 f16
alias I = vec2<u32>; // knob: u32 vec2<u32>
const POSITION : u32 = 0u; // knob: 0 1 2 3
const INTERLEAVED : bool = false; // knob: any

struct Params {
  total : u32,
  heads : u32,
  length : u32,
  size : u32,
  half_size : u32,  // angles per row
  rows : u32,       // of the tables
  x_b : u32,
  x_h : u32,
  x_l : u32,
  x_offset : u32,
  y_b : u32,
  y_h : u32,
  y_l : u32,
  present : u32,  // POSITION 3: keys in all
  prompt : u32,   // POSITION 3: 1 when nothing is past
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<TX>;
@group(0) @binding(2) var<storage, read> cosines : array<TC>;
@group(0) @binding(3) var<storage, read> sines : array<TC>;
@group(0) @binding(4) var<storage, read> position : array<I>;
@group(0) @binding(5) var<storage, read_write> y : array<TY>;

fn row_of(b : u32, i : u32) -> u32 {
  var row = i32(b * p.length + i);
  // The low word is the index, of 32-bit and 64-bit ones alike.
  if (POSITION == 1u) {
    row = bitcast<i32>(vec2<u32>(position[row]).x);
    if (row < 0) { row += i32(p.rows); }
  }
  if (POSITION == 2u) { row = bitcast<i32>(vec2<u32>(position[0]).x) + i32(i); }
  if (POSITION == 3u) {
    let all = clamp(bitcast<i32>(vec2<u32>(position[b]).x), -1, i32(p.present)) + 1;
    row = max(select(all - i32(p.length), 0, p.prompt != 0u), 0) + i32(i);
  }
  return u32(clamp(row, 0, max(i32(p.rows) - 1, 0)));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let at = workgroup_index(wid, nwg) * 256u + lid;
  if (at >= p.total) { return; }
  let e = at % p.size;
  let i = at / p.size % p.length;
  let h = at / p.size / p.length % p.heads;
  let b = at / p.size / p.length / p.heads;
  let from_at = p.x_offset + b * p.x_b + h * p.x_h + i * p.x_l;
  var v = f32(x[from_at + e]);
  if (e < 2u * p.half_size) {
    let angle = row_of(b, i) * p.half_size + select(e % max(p.half_size, 1u), e / 2u, INTERLEAVED);
    let second = select(e >= p.half_size, e % 2u == 1u, INTERLEAVED);
    var partner = e + p.half_size;
    if (INTERLEAVED) { partner = e ^ 1u; } else if (second) { partner = e - p.half_size; }
    let c = f32(cosines[angle]);
    let s = f32(sines[angle]);
    let w = f32(x[from_at + partner]);
    v = select(c * v - s * w, s * w + c * v, second);
  }
  y[b * p.y_b + h * p.y_h + i * p.y_l + e] = TY(v);
}
