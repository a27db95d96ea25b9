// The columns of a deformable convolution: for every output position, channel and tap the input
// sampled where the tap's offset points, times the mask. A matrix product (conv_gemm over 1 x 1
// taps) makes the output from them.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        x        read        [N, C, D, H, W]
//   2        offset   read        [N, offset groups * taps * RANK, D', H', W']
//   3        mask     read        [N, offset groups * taps, D', H', W'], when HAS_MASK
//   4        columns  read_write  [N, C * taps, D', H', W']
//
// One invocation makes the column elements of one position and tap for all channels of an offset
// group: the place and the corner weights are computed once. Memory traffic: 2^RANK reads of x per
// element, mostly from cache. Precision: float32 inside, whatever T is.

// use grid
// use places

alias T = f32; // knob: f32 f16
const RANK : u32 = 2u; // knob: 1 2 3
const HAS_MASK : bool = false; // knob: true false
const WG : u32 = 256u;

struct Params {
  in_dims : vec4<u32>,  // D, H, W of x, and their product
  out_dims : vec4<u32>, // the same of y
  kernel : vec4<u32>,   // extents, and their product
  stride : vec4<u32>,   //
  dilation : vec4<u32>, //
  pad : vec4<i32>,      // in front
  channels : u32,       // C
  offset_groups : u32,  //
  n : u32,              // images * offset groups * taps * positions
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read> offset : array<T>;
@group(0) @binding(3) var<storage, read> mask : array<T>;
@group(0) @binding(4) var<storage, read_write> columns : array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.n) { return; }
  let position = i % p.out_dims.w;
  let entry = i / p.out_dims.w; // (image * offset groups + group) * taps + tap
  let tap = entry % p.kernel.w;
  let group = entry / p.kernel.w % p.offset_groups;
  let image = entry / p.kernel.w / p.offset_groups;

  let o = unflatten(position, p.out_dims) * p.stride.xyz;
  let k = unflatten(tap, p.kernel) * p.dilation.xyz;
  var place = vec3<f32>(vec3<i32>(o + k) - p.pad.xyz);
  for (var axis = 0u; axis < RANK; axis++) {
    place[3u - RANK + axis] += f32(offset[(entry * RANK + axis) * p.out_dims.w + position]);
  }
  let limit = vec3<f32>(p.in_dims.xyz);
  var scale = 1.0;
  if (HAS_MASK) { scale = f32(mask[entry * p.out_dims.w + position]); }
  let sampled = all(place > vec3<f32>(-1.0)) && all(place < limit);
  let bounded = clamp(place, vec3<f32>(-1.0), limit);
  let low = floor(bounded);
  let fraction = bounded - low;
  let corner = vec3<i32>(low);

  let per_group = p.channels / p.offset_groups;
  for (var c = 0u; c < per_group; c++) {
    let channel = image * p.channels + group * per_group + c;
    var sum = 0.0;
    if (sampled) {
      for (var b = 0u; b < 8u; b++) {
        let up = vec3<u32>((b >> 2u) & 1u, (b >> 1u) & 1u, b & 1u);
        let weights = select(1.0 - fraction, fraction, up == vec3<u32>(1u));
        let weight = weights.x * weights.y * weights.z;
        let at = vec3<u32>(corner + vec3<i32>(up));
        if (weight != 0.0 && all(at < p.in_dims.xyz)) {
          sum += weight * f32(x[channel * p.in_dims.w + flatten(at, p.in_dims)]);
        }
      }
    }
    columns[(channel * p.kernel.w + tap) * p.out_dims.w + position] = scale * sum;
  }
}
