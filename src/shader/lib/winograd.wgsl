// What both transforms of Winograd's F(4x4, 3x3) know: the points 0, A, -A, B, -B and infinity, whose
// constants are exact, and where tiles stand. Tiles are 4 by 4 outputs, numbered
// [image][row][column]; the shader that uses this has tile_rows and tile_columns in its `p`.

const A : f32 = 0.75;
const B : f32 = 1.5;
const A2 : f32 = 0.5625;
const B2 : f32 = 2.25;

// The image, and row and column of the tile's first output.
fn tile_place(tile : u32) -> vec3<u32> {
  let line = tile / p.tile_columns;
  return vec3<u32>(line / p.tile_rows, line % p.tile_rows * 4u, tile % p.tile_columns * 4u);
}
