// Places in up to three spatial axes, as convolutions and pools number them: rightmost axis fastest.

fn unflatten(i : u32, dims : vec4<u32>) -> vec3<u32> {
  let row = i / dims.z;
  return vec3<u32>(row / dims.y, row % dims.y, i % dims.z);
}

// And back.
fn flatten(at : vec3<u32>, dims : vec4<u32>) -> u32 {
  return (at.x * dims.y + at.y) * dims.z + at.z;
}
