// Sum and maximum over a workgroup of WG invocations, for all of them; to be called by all. With
// SUBGROUPS two barriers instead of a tree of them: each subgroup adds up what its invocations have,
// one of them writes it down, and then every subgroup adds up what all have written. The order of
// additions depends on the size of subgroups only. The shader that uses this declares WG.

const SUBGROUPS : bool = false; // knob: true false

var<workgroup> part : array<f32, WG>;

fn summed(lid : u32, v : f32) -> f32 {
  if (SUBGROUPS) {
    let lanes = subgroupAdd(1u);
    let lane = subgroupExclusiveAdd(1u);
    let own = subgroupAdd(v);
    workgroupBarrier();
    part[lid] = select(0.0, own, lane == 0u);
    workgroupBarrier();
    var sum = 0.0;
    for (var i = lane; i < WG; i += lanes) { sum += part[i]; }
    return subgroupAdd(sum);
  }
  workgroupBarrier();
  part[lid] = v;
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (lid < s) { part[lid] += part[lid + s]; }
  }
  workgroupBarrier();
  return part[0];
}

// For values that are not NaN.
fn greatest(lid : u32, v : f32) -> f32 {
  if (SUBGROUPS) {
    let lanes = subgroupAdd(1u);
    let lane = subgroupExclusiveAdd(1u);
    let own = subgroupMax(v);
    workgroupBarrier();
    part[lid] = own;
    workgroupBarrier();
    var top = own;
    for (var i = lane; i < WG; i += lanes) { top = max(top, part[i]); }
    return subgroupMax(top);
  }
  workgroupBarrier();
  part[lid] = v;
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (lid < s) { part[lid] = max(part[lid], part[lid + s]); }
  }
  workgroupBarrier();
  return part[0];
}
