// Self-test: running sums through workgroup memory, as reductions and tiled products use it.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        n words
//   2        y     read_write  n words: y[i] = x[first of its 256] + ... + x[i], modulo 2^32
//
// One workgroup sums 256 elements in 8 steps, each after a barrier: a barrier that does not hold gives
// other sums. Memory traffic: one read, one write. Precision: exact.

// use grid

struct Params {
  n : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<u32>;
@group(0) @binding(2) var<storage, read_write> y : array<u32>;

var<workgroup> shared_sum : array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * 256u + lid;
  var sum = 0u;
  if (i < p.n) { sum = x[i]; }
  shared_sum[lid] = sum;
  workgroupBarrier();
  for (var reach = 1u; reach < 256u; reach *= 2u) {
    var before = 0u;
    if (lid >= reach) { before = shared_sum[lid - reach]; }
    workgroupBarrier();
    sum += before;
    shared_sum[lid] = sum;
    workgroupBarrier();
  }
  if (i < p.n) { y[i] = sum; }
}
