// As grid.wgsl, for shaders whose work may take long: a dispatch of theirs may be one of several that
// share a grid (plan/cut.h). Params have `first_workgroup : u32`, which no lowering sets.

fn workgroup_index(wid : vec3<u32>, nwg : vec3<u32>) -> u32 {
  return p.first_workgroup + wid.x + wid.y * nwg.x + wid.z * nwg.x * nwg.y;
}
