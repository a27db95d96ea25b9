// AffineGrid: theta times the normalized coordinates of every place of an image or volume.
//
//   binding  name   access      what
//   0        p      uniform     Params
//   1        theta  read        [N, RANK, RANK + 1]
//   2        y      read_write  [N, D, H, W, RANK], innermost axis first in the last one
//
// One invocation computes one element. Memory traffic: y once. Precision: float32 inside.

// use grid

alias T = f32; // knob: f32 f16
const RANK : u32 = 2u; // knob: 2 3
const ALIGN : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  dims : vec4<u32>, // D, H, W, and their product
  n : u32,          // elements of y
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> theta : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

// -1..1 between the corner pixels' centres (ALIGN) or their outer edges.
fn coordinate(i : u32, extent : u32) -> f32 {
  if (!ALIGN) { return (2.0 * f32(i) + 1.0) / f32(extent) - 1.0; }
  if (extent == 1u) { return 0.0; }
  return 2.0 * f32(i) / f32(extent - 1u) - 1.0;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let row = i % RANK;
  let place = i / RANK % p.dims.w;
  let image = i / RANK / p.dims.w;
  let line = place / p.dims.z;
  let at = (image * RANK + row) * (RANK + 1u);
  var sum = f32(theta[at]) * coordinate(place % p.dims.z, p.dims.z) +
            f32(theta[at + 1u]) * coordinate(line % p.dims.y, p.dims.y) + f32(theta[at + RANK]);
  if (RANK == 3u) { sum += f32(theta[at + 2u]) * coordinate(line / p.dims.y, p.dims.x); }
  y[i] = T(sum);
}
