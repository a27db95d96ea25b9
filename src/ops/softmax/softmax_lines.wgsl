// Softmax, LogSoftmax and Hardmax along one axis of [outer, n, inner].
//
//   binding  name  access      what
//   0        p     uniform     Params
//   1        x     read        [outer, n, inner]
//   2        y     read_write  the same
//
// A line is the n elements of one (outer, inner). LANES invocations share a line, 256 / LANES lines
// a workgroup. LANES_FIRST lays neighbouring invocations along the line (inner = 1), otherwise along
// inner, so that neighbours read neighbours. Each invocation keeps a running maximum and the sum of
// exponentials below it, and workgroup memory (4 KiB) joins them, or subgroups do (SUBGROUPS: where
// LANES is 256, and for MODE 0 and 1). Memory traffic: x is read twice, y written once. Precision:
// float32; the exponent is never positive and small ones give 0.
// Hardmax: the first of the largest elements gets 1.

// use grid
// use group_sum

alias T = f32; // knob: f32 f16
const MODE : u32 = 0u; // knob: 0 1 2
const LANES : u32 = 256u; // knob: 1 16 64 256
const LANES_FIRST : bool = true; // knob: any

struct Params {
  lines : u32,  // outer * inner
  n : u32,
  inner : u32,
}

@group(0) @binding(0) var<uniform> p : Params;
@group(0) @binding(1) var<storage, read> x : array<T>;
@group(0) @binding(2) var<storage, read_write> y : array<T>;

const WG : u32 = 256u;
const LINES : u32 = WG / LANES;
const LANE_STEP : u32 = select(LINES, 1u, LANES_FIRST);
const LOWEST : f32 = -3.4028234e38;

var<workgroup> tops : array<f32, 256>;
var<workgroup> sums : array<f32, 256>;
var<workgroup> places : array<u32, 256>;

// exp for arguments up to 0.
fn decay(v : f32) -> f32 { return select(exp(v), 0.0, v < -87.0); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid : vec3<u32>, @builtin(num_workgroups) nwg : vec3<u32>,
        @builtin(local_invocation_index) lid : u32) {
  let first = workgroup_index(wid, nwg) * LINES;
  if (first >= p.lines) { return; }
  let lane = select(lid / LINES, lid % LANES, LANES_FIRST);
  let line = first + select(lid % LINES, lid / LANES, LANES_FIRST);
  let there = line < p.lines;
  let base = line / p.inner * p.n * p.inner + line % p.inner;

  var top = LOWEST;
  var sum = 0.0;
  var place = 0xffffffffu;
  if (there) {
    for (var i = lane; i < p.n; i += LANES) {
      let v = f32(x[base + i * p.inner]);
      if (MODE == 2u) {
        if (v > top || place == 0xffffffffu) {
          top = v;
          place = i;
        }
      } else if (v > top) {
        sum = sum * decay(top - v) + 1.0;
        top = v;
      } else {
        sum += decay(v - top);
      }
    }
  }
  if (SUBGROUPS) {
    let all = greatest(lid, top);
    sum = summed(lid, sum * decay(top - all));
    top = all;
  }
  if (!SUBGROUPS) {
    tops[lid] = top;
    sums[lid] = sum;
    places[lid] = place;
    for (var s = LANES / 2u; s > 0u; s /= 2u) {
      workgroupBarrier();
      if (lane < s) {
        let other = lid + s * LANE_STEP;
        let a = tops[lid];
        let b = tops[other];
        if (MODE == 2u) {
          let ia = places[lid];
          let ib = places[other];
          if (ib != 0xffffffffu && (b > a || ia == 0xffffffffu || (b == a && ib < ia))) {
            tops[lid] = b;
            places[lid] = ib;
          }
        } else {
          let m = max(a, b);
          tops[lid] = m;
          sums[lid] = sums[lid] * decay(a - m) + sums[other] * decay(b - m);
        }
      }
    }
    workgroupBarrier();
    let leader = lid - lane * LANE_STEP;
    top = tops[leader];
    sum = sums[leader];
    place = places[leader];
  }
  if (!there) { return; }
  let log_sum = log(max(sum, 1e-38));
  for (var i = lane; i < p.n; i += LANES) {
    let at = base + i * p.inner;
    if (MODE == 2u) {
      y[at] = T(select(0.0, 1.0, i == place));
    } else if (MODE == 1u) {
      y[at] = T(f32(x[at]) - top - log_sum);
    } else {
      y[at] = T(decay(f32(x[at]) - top) / sum);
    }
  }
}
