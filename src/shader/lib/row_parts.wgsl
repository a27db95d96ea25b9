// The uniform block of concat_rows and split_rows: up to seven neighbouring parts of the rows of a
// whole.

struct Params {
  ends : array<vec4<u32>, 2>,  // where part k ends, from where the first one begins
  n : u32,                     // units of memory that are moved
  row : u32,                   // units in a row of the whole
  first : u32,                 // where the first part begins in it
  span : u32,                  // units of these parts in a row
}
