// y = quantize(softmax(dequantize(x))) along one axis of a tensor seen as [outer, count, inner].
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        outer * count * inner elements
//   2        pack  read        scale of x, (any), of y; zero point of x, (any), of y (quant_pack)
//   3        y     read_write  the same
//
// Workgroup w takes the line w: the highest element, the sum of the exponentials, then the results;
// x is read three times, from the cache after the first. Workgroup memory 1 KiB. float32 inside.

// use grid
// use quant

alias X = u32; // knob: i32 u32
const WG : u32 = 128u; // knob: 128

struct Params {
  lines : u32, // outer * inner
  count : u32, // elements of a line
  inner : u32, // elements behind the axis
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<X>;
@group(0) @binding(2) var<storage, read> pack : array<f32>;
@group(0) @binding(3) var<storage, read_write> y : array<X>;

var<workgroup> partial : array<f32, 128>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let line = workgroup_index(wid, nwg);
  if (line >= p.lines) { return; }
  let base = line / p.inner * p.count * p.inner + line % p.inner;
  var highest = -3e9;
  for (var c = lid; c < p.count; c = c + WG) { highest = max(highest, f32(x[base + c * p.inner])); }
  partial[lid] = highest;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step = step / 2u) {
    if (lid < step) { partial[lid] = max(partial[lid], partial[lid + step]); }
    workgroupBarrier();
  }
  highest = partial[0];
  workgroupBarrier();
  var sum = 0.0;
  for (var c = lid; c < p.count; c = c + WG) {
    sum = sum + math_exp(pack[0] * (f32(x[base + c * p.inner]) - highest));
  }
  partial[lid] = sum;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step = step / 2u) {
    if (lid < step) { partial[lid] = partial[lid] + partial[lid + step]; }
    workgroupBarrier();
  }
  sum = partial[0];
  for (var c = lid; c < p.count; c = c + WG) {
    let at = base + c * p.inner;
    let v = math_divide(math_exp(pack[0] * (f32(x[at]) - highest)), sum);
    y[at] = X(quant_round(math_divide(v, pack[2]), pack[5]));
  }
}
