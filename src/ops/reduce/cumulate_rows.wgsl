// Running sums or products along an axis, few long lines.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [outer, length, inner]
//   2        y     read_write  the same
//
// One workgroup handles one line: each invocation totals a stretch of it, the totals are scanned in
// workgroup memory (log2(WG) steps), and each invocation runs through its stretch again. Memory
// traffic: each element is read twice and written once. Precision: float32; integers wrap.

// use grid

alias T = f32; // knob: f32 f16 i32 u32
alias A = f32; // knob: f32 i32 u32
alias I = i32; // knob: i32 u32
const FLOAT : bool = true; // knob: any
const PRODUCT : bool = false; // knob: any
const EXCLUSIVE : bool = false; // knob: any
const REVERSE : bool = false; // knob: any
const BITS : u32 = 32u; // knob: 8 16 32
const WG : u32 = 256u; // knob: 64 128 256

struct Params {
  lines : u32,
  length : u32,
  inner : u32,
  stretch : u32, // ceil(length / WG)
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

var<workgroup> totals : array<A, WG>;

fn combine(a : A, b : A) -> A {
  if (PRODUCT) { return a * b; }
  return a + b;
}

fn stored(v : A) -> T {
  if (FLOAT) { return T(v); }
  return T((I(v) << (32u - BITS)) >> (32u - BITS));
}

fn place(base : u32, step : u32) -> u32 {
  return base + select(step, p.length - 1u - step, REVERSE) * p.inner;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let line = workgroup_index(wid, nwg);
  if (line >= p.lines) { return; }
  let base = line / p.inner * p.length * p.inner + line % p.inner;
  let neutral = select(A(0), A(1), PRODUCT);
  let first = min(lid * p.stretch, p.length);
  let end = min(first + p.stretch, p.length);
  var total = neutral;
  for (var s = first; s < end; s++) { total = combine(total, A(x[place(base, s)])); }
  totals[lid] = total;
  workgroupBarrier();
  for (var reach = 1u; reach < WG; reach *= 2u) {
    var sum = totals[lid];
    if (lid >= reach) { sum = combine(totals[lid - reach], sum); }
    workgroupBarrier();
    totals[lid] = sum;
    workgroupBarrier();
  }
  var running = neutral;
  if (lid > 0u) { running = totals[lid - 1u]; }
  for (var s = first; s < end; s++) {
    let i = place(base, s);
    let next = combine(running, A(x[i]));
    y[i] = stored(select(next, running, EXCLUSIVE));
    running = next;
  }
}
