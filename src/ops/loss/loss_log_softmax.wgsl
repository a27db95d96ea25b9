// y = log(softmax(x)) along the axis of classes of a tensor seen as [outer, classes, inner].
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        outer * classes * inner elements
//   2        y     read_write  the same
//
// Workgroup w takes the line w: the highest element, the sum of the exponentials, then the results;
// x is read three times, from the cache after the first. Workgroup memory 512 bytes. float32 inside.

// use grid
// use math

alias T = f32; // knob: f32 f16
alias R = f32; // knob: f32 f16
const WG : u32 = 128u; // knob: 128

struct Params {
  lines : u32,   // outer * inner
  classes : u32, // elements of a line
  inner : u32,   // elements behind the axis
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<R>;

var<workgroup> partial : array<f32, 128>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let line = workgroup_index(wid, nwg);
  if (line >= p.lines) { return; }
  let base = line / p.inner * p.classes * p.inner + line % p.inner;
  var highest = -3.4e38;
  for (var c = lid; c < p.classes; c = c + WG) {
    highest = max(highest, f32(x[base + c * p.inner]));
  }
  partial[lid] = highest;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step = step / 2u) {
    if (lid < step) { partial[lid] = max(partial[lid], partial[lid + step]); }
    workgroupBarrier();
  }
  highest = partial[0];
  workgroupBarrier();
  var sum = 0.0;
  for (var c = lid; c < p.classes; c = c + WG) {
    sum = sum + math_exp(f32(x[base + c * p.inner]) - highest);
  }
  partial[lid] = sum;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step = step / 2u) {
    if (lid < step) { partial[lid] = partial[lid] + partial[lid + step]; }
    workgroupBarrier();
  }
  let shift = math_log(partial[0]);
  for (var c = lid; c < p.classes; c = c + WG) {
    let at = base + c * p.inner;
    y[at] = R((f32(x[at]) - highest) - shift);
  }
}
