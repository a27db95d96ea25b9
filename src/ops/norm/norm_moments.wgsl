// Mean and squared distances from it, for groups of elements that lie anywhere in a tensor.
//
//   binding  name     access      what
//   0        p        uniform     Params
//   1        x        read        the tensor
//   2        mean     read_write  [groups, chunks]
//   3        squares  read_write  [groups, chunks]: sum of squared distances from the chunk's mean
//
// A group is one index of the kept axes; its elements are the indices of the reduced axes, cut into
// chunks. One workgroup computes one chunk. Memory traffic: the chunk is read twice, the second time
// from the cache. Precision: float32, in two passes; norm_combine joins the chunks.

// use grid
// use group_sum

alias T = f32; // knob: f32 f16

struct Params {
  kept : array<vec4<u32>, 2>,          // extents, 1 where there are fewer
  kept_step : array<vec4<u32>, 2>,     // elements
  reduced : array<vec4<u32>, 2>,
  reduced_step : array<vec4<u32>, 2>,
  groups : u32,
  chunks : u32,
  chunk : u32,  // elements per chunk
  n : u32,      // elements per group
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> mean : array<f32>;
@group(0) @binding(3) var<storage, read_write> squares : array<f32>;

const WG : u32 = 256u;

fn element(index : u32) -> u32 {
  var rest = index;
  var offset = 0u;
  for (var i = 0u; i < 8u; i++) {
    let axis = 7u - i;
    let extent = p.reduced[axis / 4u][axis % 4u];
    offset += rest % extent * p.reduced_step[axis / 4u][axis % 4u];
    rest /= extent;
    if (rest == 0u) { break; }
  }
  return offset;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let index = workgroup_index(wid, nwg);
  if (index >= p.groups * p.chunks) { return; }
  var rest = index / p.chunks;
  var base = 0u;
  for (var i = 0u; i < 8u; i++) {
    let axis = 7u - i;
    let extent = p.kept[axis / 4u][axis % 4u];
    base += rest % extent * p.kept_step[axis / 4u][axis % 4u];
    rest /= extent;
  }
  let first = index % p.chunks * p.chunk;
  let end = min(first + p.chunk, p.n);
  let count = f32(max(end - first, 1u));
  var sum = 0.0;
  for (var i = first + lid; i < end; i += 256u) { sum += f32(x[base + element(i)]); }
  let m = summed(lid, sum) / count;
  var distances = 0.0;
  for (var i = first + lid; i < end; i += 256u) {
    let d = f32(x[base + element(i)]) - m;
    distances += d * d;
  }
  let all = summed(lid, distances);
  if (lid == 0u) {
    mean[index] = m;
    squares[index] = all;
  }
}
