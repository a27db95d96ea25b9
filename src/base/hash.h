// SHA-256 (FIPS 180-4), streamed, for pinning files; FNV-1a for tables and cache keys.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sluice {

class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  std::array<uint8_t, 32> finish();

 private:
  void block(const uint8_t* bytes);
  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending_ = {};
  size_t pending_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

// Lower-case hexadecimal digest.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string hex(std::span<const uint8_t> bytes);
uint64_t fnv1a(std::span<const std::byte> bytes, uint64_t seed = 0xcbf29ce484222325ull);

}  // namespace sluice
