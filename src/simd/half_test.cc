#include "simd/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "base/half.h"
#include "simd/instruction_set.h"

namespace sluice::simd {
namespace {

class Half : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { ASSERT_TRUE(select_instruction_set(GetParam())); }
  void TearDown() override { ASSERT_TRUE(select_instruction_set("")); }
};
INSTANTIATE_TEST_SUITE_P(InstructionSets, Half, testing::ValuesIn(instruction_sets()),
                         [](const auto& set) { return std::string(set.param); });

// Every one of the 65,536, in vectors and in the tail behind them.
TEST_P(Half, WidensAsTheScalarFormDoes) {
  std::vector<uint16_t> all(1 << 16);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  for (const size_t count : {all.size(), size_t{5}}) {
    for (size_t first = 0; first + count <= all.size(); first += count) {
      std::vector<float> wide(count);
      widen_half(all.data() + first, wide.data(), static_cast<int64_t>(count));
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(wide[i]),
                  std::bit_cast<uint32_t>(half_to_float(all[first + i])))
            << "half " << all[first + i];
      }
    }
  }
}

}  // namespace
}  // namespace sluice::simd
