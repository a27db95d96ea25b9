#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

std::string sha(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

// NIST's examples for SHA-256 (FIPS 180-4).
TEST(HashTest, KnownDigests) {
  EXPECT_EQ(sha(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HashTest, PiecesGiveTheSameDigest) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  const std::string whole = sha(text);
  for (size_t step = 1; step < 200; step += 7) {
    Sha256 hash;
    for (size_t at = 0; at < text.size(); at += step) {
      const std::string_view piece = std::string_view(text).substr(at, step);
      hash.update(std::as_bytes(std::span(piece.data(), piece.size())));
    }
    EXPECT_EQ(hex(hash.finish()), whole) << step;
  }
}

}  // namespace
}  // namespace sluice
