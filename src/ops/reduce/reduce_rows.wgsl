// Reduces over a set of axes, many elements for each result.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        the tensor, or pairs of partial results
//   2        y     read_write  results, or pairs of partial results when PARTIAL: [outputs, parts]
//
// One workgroup computes one result, or one of `parts` equal shares of it; its invocations take
// turns at the elements, so that neighbours read neighbours where the innermost axis is reduced, and
// join what they have in a tree in workgroup memory, or by subgroups (SUBGROUPS: sums of floats).
// Memory traffic: each element is read once. Precision: float32; the order of additions is fixed by
// the shape, and by the size of subgroups where they join.

// use grid
// use group_sum
// use reduce_axes
// use reduction

alias X = f32; // knob: f32 f16 i32 u32
alias Y = f32; // knob: f32 f16 i32 u32
const FROM_PARTIALS : bool = false; // knob: any
const PARTIAL : bool = false; // knob: any
const KEPT_AXES : u32 = 8u; // knob: any
const REDUCED_AXES : u32 = 8u; // knob: any
const WG : u32 = 256u; // knob: 64 128 256

// Axes are right-aligned: the innermost is the eighth. Strides are those of x.
struct Params {
  kept_shape : array<vec4<u32>, 2>,
  kept_stride : array<vec4<u32>, 2>,
  reduced_shape : array<vec4<u32>, 2>,
  reduced_stride : array<vec4<u32>, 2>,
  outputs : u32,
  count : u32,  // elements (or pairs) for a result
  parts : u32,
  share : u32,  // elements for a part
  total : u32,  // what a mean divides by
  start : u32,  // bits of the result over nothing
  nan : u32,
  infinity : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<X>;
@group(0) @binding(2) var<storage, read_write> y : array<Y>;

var<workgroup> partial : array<vec2<A>, WG>;

fn load(i : u32) -> vec2<A> {
  if (FROM_PARTIALS) { return vec2<A>(A(x[2u * i]), A(x[2u * i + 1u])); }
  return element(A(x[i]));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let group = workgroup_index(wid, nwg);
  if (group >= p.outputs * p.parts) { return; }
  let base = kept_offset(group / p.parts);
  let first = group % p.parts * p.share;
  let end = min(first + p.share, p.count);
  var total = vec2<A>(bitcast<A>(p.start), A(0));
  for (var r = first + lid; r < end; r += WG) {
    total = combine(total, load(base + reduced_offset(r)));
  }
  if (SUBGROUPS) { total.x = A(summed(lid, f32(total.x))); }
  if (!SUBGROUPS) {
    partial[lid] = total;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
      if (lid < half) { partial[lid] = combine(partial[lid], partial[lid + half]); }
      workgroupBarrier();
    }
    total = partial[0];
  }
  if (lid != 0u) { return; }
  if (PARTIAL) {
    y[2u * group] = Y(total.x);
    y[2u * group + 1u] = Y(total.y);
  } else {
    y[group] = Y(finish(total, p.total, p.nan, p.infinity));
  }
}
