// Bits that depend on every bit of v: the finaliser of MurmurHash3 (public domain). Same as mix32 in
// C++ (session/canary.cc).

fn mix32(v : u32) -> u32 {
  var h = v;
  h ^= h >> 16u;
  h *= 0x85ebca6bu;
  h ^= h >> 13u;
  h *= 0xc2b2ae35u;
  h ^= h >> 16u;
  return h;
}
