// For tests of vector kernels: a suite of its own for each instruction set that this machine has,
// by its name. A suite derives from one of these and is instantiated with what stands below it:
//   class Square : public simd::EachInstructionSet {};
//   INSTANTIATE_TEST_SUITE_P(InstructionSets, Square, simd::each_instruction_set(),
//                            Square::name);
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <tuple>

#include "simd/dot_vnni.h"
#include "simd/instruction_set.h"

namespace sluice::simd {

class EachInstructionSet : public testing::TestWithParam<std::string_view> {
 public:
  static std::string name(const testing::TestParamInfo<std::string_view>& set) {
    return std::string(set.param);
  }

 protected:
  void SetUp() override { ASSERT_TRUE(select_instruction_set(GetParam())); }
  void TearDown() override { ASSERT_TRUE(select_instruction_set("")); }
};
inline auto each_instruction_set() { return testing::ValuesIn(instruction_sets()); }

// With and without the machine's dot products of bytes.
class EachByteKernel : public testing::TestWithParam<std::tuple<std::string_view, bool>> {
 public:
  static std::string name(const testing::TestParamInfo<std::tuple<std::string_view, bool>>& set) {
    return std::string(std::get<0>(set.param)) + (std::get<1>(set.param) ? "_dot" : "_pairs");
  }

 protected:
  void SetUp() override {
    ASSERT_TRUE(select_instruction_set(std::get<0>(GetParam())));
    use_vnni(std::get<1>(GetParam()));
  }
  void TearDown() override {
    ASSERT_TRUE(select_instruction_set(""));
    use_vnni(true);
  }
};
inline auto each_byte_kernel() {
  return testing::Combine(testing::ValuesIn(instruction_sets()), testing::Bool());
}

}  // namespace sluice::simd
