// Reduces over a set of axes, one invocation for each result: few elements, or an innermost axis that
// stays.
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        the tensor, or pairs of partial results
//   2        y     read_write  results, or pairs of partial results when PARTIAL: [outputs, parts]
//
// One invocation computes one result, or one of `parts` equal shares of it, in a plain loop;
// neighbours work on neighbouring results and so read neighbouring elements where the innermost axis
// stays. Memory traffic: each element is read once. Precision: float32, in the order of the
// elements.

// use grid
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

fn load(i : u32) -> vec2<A> {
  if (FROM_PARTIALS) { return vec2<A>(A(x[2u * i]), A(x[2u * i + 1u])); }
  return element(A(x[i]));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let i = workgroup_index(wid, nwg) * WG + lid;
  if (i >= p.outputs * p.parts) { return; }
  let output = i % p.outputs;
  let part = i / p.outputs;
  let base = kept_offset(output);
  let first = part * p.share;
  let end = min(first + p.share, p.count);
  var total = vec2<A>(bitcast<A>(p.start), A(0));
  for (var r = first; r < end; r++) {
    total = combine(total, load(base + reduced_offset(r)));
  }
  let to = output * p.parts + part;
  if (PARTIAL) {
    y[2u * to] = Y(total.x);
    y[2u * to + 1u] = Y(total.y);
  } else {
    y[to] = Y(finish(total, p.total, p.nan, p.infinity));
  }
}
