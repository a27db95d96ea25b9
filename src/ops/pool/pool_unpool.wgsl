// MaxUnpool: puts each element of x where its index says. The output was cleared before.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        x        read        n elements
//   2        indices  read        n int64 as (low, high), counted through `counted`
//   3        y        read_write  a tensor of extents `dims`
//
// One invocation moves one element. An index outside the tensor writes nothing. Memory traffic: x
// and indices once, y scattered.

// use grid

alias T = f32; // knob: f32 f16
const WG : u32 = 256u;

struct Params {
  counted : array<vec4<u32>, 2>, // the shape that indices count through, the last at index 7
  dims : array<vec4<u32>, 2>,    // of y
  n : u32,                       // elements of x
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> indices : array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> y : array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let index = indices[i];
  if (index.y != 0u) { return; }
  var rest = index.x;
  var to = 0u;
  var step = 1u;
  for (var axis = 8u; axis > 0u; axis--) {
    let a = (axis - 1u) / 4u;
    let b = (axis - 1u) % 4u;
    let at = rest % p.counted[a][b];
    rest /= p.counted[a][b];
    if (at >= p.dims[a][b]) { return; }
    to += at * step;
    step *= p.dims[a][b];
  }
  if (rest != 0u) { return; }
  y[to] = x[i];
}
