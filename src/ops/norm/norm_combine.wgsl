// Joins the moments of a group's chunks into its mean and variance.
//
//   binding  name      access      what
//   0        p         uniform     Params
//   1        means     read        [groups, chunks]
//   2        squares   read        [groups, chunks]
//   3        mean      read_write  [groups]
//   4        variance  read_write  [groups], of the population
//
// One invocation joins one group, chunk after chunk (Chan, Golub and LeVeque's update, which adds
// the distance of two means instead of subtracting squares). Precision: float32.

// use grid

struct Params {
  groups : u32,
  chunks : u32,
  chunk : u32,
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> means : array<f32>;
@group(0) @binding(2) var<storage, read> squares : array<f32>;
@group(0) @binding(3) var<storage, read_write> mean : array<f32>;
@group(0) @binding(4) var<storage, read_write> variance : array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg) * 64u + lid;
  if (group >= p.groups) { return; }
  var m = 0.0;
  var s = 0.0;
  var count = 0.0;
  for (var c = 0u; c < p.chunks; c++) {
    let more = f32(min(p.chunk, p.n - c * p.chunk));
    let d = means[group * p.chunks + c] - m;
    let joined = count + more;
    m += d * more / joined;
    s += squares[group * p.chunks + c] + d * d * count * more / joined;
    count = joined;
  }
  mean[group] = m;
  variance[group] = s / max(count, 1.0);
}
