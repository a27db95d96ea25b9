// Places in up to three spatial axes, as the convolutions number them: rightmost axis fastest.

fn unflatten(i : u32, dims : vec4<u32>) -> vec3<u32> {
  let row = i / dims.z;
  return vec3<u32>(row / dims.y, row % dims.y, i % dims.z);
}
