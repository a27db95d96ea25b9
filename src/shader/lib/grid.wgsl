// Linear indices of a grid that the executor has folded over x, y and z (65,535 per dimension at
// most). The fold may issue more workgroups than asked for: compare with a bound.

fn workgroup_index(wid : vec3<u32>, nwg : vec3<u32>) -> u32 {
  return wid.x + wid.y * nwg.x + wid.z * nwg.x * nwg.y;
}
