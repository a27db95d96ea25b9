// x / (sum |x|^q)^(1/q) along one axis of [outer, n, inner], q = 1 or 2; 0 where the sum is 0.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [outer, n, inner]
//   2        y     read_write  the same
//
// A line is the n elements of one (outer, inner); 64 invocations share one, 4 lines a workgroup,
// laid over inner first. Memory traffic: x is read twice. Precision: float32.

// use grid

alias T = f32; // knob: f32 f16
const Q : u32 = 2u; // knob: 1 2

struct Params {
  lines : u32,
  n : u32,
  inner : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

var<workgroup> part : array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let first = workgroup_index(wid, nwg) * 4u;
  if (first >= p.lines) { return; }
  let line = first + lid % 4u;
  let lane = lid / 4u;
  let base = line / p.inner * p.n * p.inner + line % p.inner;
  let n = select(0u, p.n, line < p.lines);
  var sum = 0.0;
  for (var i = lane; i < n; i += 64u) {
    let v = f32(x[base + i * p.inner]);
    sum += select(v * v, abs(v), Q == 1u);
  }
  part[lid] = sum;
  for (var s = 32u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (lane < s) { part[lid] += part[lid + s * 4u]; }
  }
  workgroupBarrier();
  let all = part[lid % 4u];
  let length = select(sqrt(all), all, Q == 1u);
  for (var i = lane; i < n; i += 64u) {
    let at = base + i * p.inner;
    y[at] = T(select(f32(x[at]) / length, 0.0, length == 0.0));
  }
}
