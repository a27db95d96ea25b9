// y[i] = start + i * delta in 64-bit integers.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        start  read        one element, low word first
//   2        delta  read        one element
//   3        y      read_write  n elements
//
// One invocation computes one element, exactly: the product of a 32-bit and a 64-bit number is made
// of 16-bit pieces and wraps as 64-bit integers do.

// use grid

const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> start : array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> delta : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> y : array<vec2<u32>>;

// The upper word of a * b.
fn upper_product(a : u32, b : u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let middle = ah * bl + ((al * bl) >> 16u);
  let middle_low = (middle & 0xffffu) + al * bh;
  return ah * bh + (middle >> 16u) + (middle_low >> 16u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let d = delta[0];
  let s = start[0];
  let low = i * d.x;
  let sum = low + s.x;
  let carry = select(0u, 1u, sum < low);
  y[i] = vec2<u32>(sum, upper_product(i, d.x) + i * d.y + s.y + carry);
}
