// Bytes that a run hands over, one per word, as the packed words or the zero points that
// matrix products read.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        bytes  read        one byte per word
//   2        words  read_write  ZEROS: unused; otherwise n words of four bytes
//   3        zeros  read_write  ZEROS: n numbers, `bits` wide codes of rows of row_bytes bytes
//
// One invocation makes one word or number.

// use grid

const ZEROS : bool = false; // knob: any

struct Params {
  n : u32,
  bits : u32,
  row_bytes : u32,
  columns : u32,  // codes per row
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> bytes : array<u32>;
@group(0) @binding(2) var<storage, read_write> words : array<u32>;
@group(0) @binding(3) var<storage, read_write> zeros : array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  if (i >= p.n) { return; }
  if (ZEROS) {
    // The width divides 8: a code never crosses a byte.
    let bit = i % p.columns * p.bits;
    let byte = bytes[i / p.columns * p.row_bytes + bit / 8u];
    zeros[i] = f32((byte >> (bit % 8u)) & ((1u << p.bits) - 1u));
    return;
  }
  words[i] = (bytes[4u * i] & 255u) | ((bytes[4u * i + 1u] & 255u) << 8u) |
             ((bytes[4u * i + 2u] & 255u) << 16u) | ((bytes[4u * i + 3u] & 255u) << 24u);
}
