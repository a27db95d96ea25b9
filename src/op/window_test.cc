#include "op/window.h"

#include <gtest/gtest.h>

namespace sluice::op {
namespace {

using Ints = std::vector<int64_t>;

WindowAxis axis_of(const AttrMap& attrs, int64_t in) {
  const auto window = read_window_attrs(attrs, 1);
  EXPECT_TRUE(window.ok());
  const auto axis = resolve_window_axis(*window, 0, in);
  EXPECT_TRUE(axis.ok());
  return *axis;
}

TEST(Window, OutputExtents) {
  EXPECT_EQ(axis_of({{"kernel_shape", Ints{3}}}, 5).out, 3);
  EXPECT_EQ(axis_of({{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}, {"strides", Ints{2}}}, 5).out,
            3);
  EXPECT_EQ(axis_of({{"kernel_shape", Ints{3}}, {"dilations", Ints{2}}}, 5).out, 1);
  EXPECT_EQ(
      axis_of({{"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"ceil_mode", int64_t{1}}}, 5).out,
      3);
  // The window that ceil_mode adds would start beyond the input: it is dropped.
  EXPECT_EQ(axis_of({{"kernel_shape", Ints{1}},
                     {"strides", Ints{2}},
                     {"pads", Ints{0, 1}},
                     {"ceil_mode", int64_t{1}}},
                    3)
                .out,
            2);
}

TEST(Window, SamePaddingPutsTheOddElementAtTheNamedEnd) {
  const AttrMap upper{{"kernel_shape", Ints{2}}, {"auto_pad", std::string("SAME_UPPER")}};
  const AttrMap lower{{"kernel_shape", Ints{2}}, {"auto_pad", std::string("SAME_LOWER")}};
  EXPECT_EQ(axis_of(upper, 4).pad_begin, 0);
  EXPECT_EQ(axis_of(upper, 4).pad_end, 1);
  EXPECT_EQ(axis_of(lower, 4).pad_begin, 1);
  EXPECT_EQ(axis_of(lower, 4).out, 4);
}

TEST(Window, PositionsInsideTheInput) {
  const WindowAxis axis = axis_of({{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}}, 4);
  EXPECT_EQ(axis.first_inside(0), 1);
  EXPECT_EQ(axis.last_inside(0), 4);
  EXPECT_EQ(axis.first_inside(2), 0);
  EXPECT_EQ(axis.last_inside(2), 3);
}

TEST(Window, SymbolicExtentsAgreeWithNumbers) {
  for (const int64_t ceil : {0, 1}) {
    for (const char* pad : {"NOTSET", "SAME_UPPER", "VALID"}) {
      const AttrMap attrs{{"kernel_shape", Ints{3}},
                          {"strides", Ints{2}},
                          {"ceil_mode", ceil},
                          {"auto_pad", std::string(pad)}};
      const auto window = read_window_attrs(attrs, 1);
      ASSERT_TRUE(window.ok());
      const Dim dim = window_output_dim(*window, 0, Dim::symbol("W"));
      for (int64_t in = 3; in < 12; ++in) {
        EXPECT_EQ(dim.evaluate({{"W", in}}), axis_of(attrs, in).out) << pad << in << dim.text();
      }
    }
  }
}

TEST(Window, RefusesWhatCannotBe) {
  EXPECT_FALSE(read_window_attrs({{"kernel_shape", Ints{3, 3}}}, 1).ok());
  EXPECT_FALSE(read_window_attrs({{"kernel_shape", Ints{0}}}, 1).ok());
  EXPECT_FALSE(read_window_attrs({{"strides", Ints{0}}}, 1).ok());
  EXPECT_FALSE(read_window_attrs({{"pads", Ints{INT64_MIN, 0}}}, 1).ok());
  EXPECT_FALSE(read_window_attrs({{"auto_pad", std::string("MAYBE")}}, 1).ok());
  const Ints weight{3};
  EXPECT_FALSE(read_window_attrs({{"kernel_shape", Ints{5}}}, 1, weight).ok());
  const auto wide = read_window_attrs({{"kernel_shape", Ints{9}}}, 1);
  ASSERT_TRUE(wide.ok());
  EXPECT_FALSE(resolve_window_axis(*wide, 0, 3).ok());
  EXPECT_FALSE(resolve_window_axis(*wide, 0, -1).ok());
}

}  // namespace
}  // namespace sluice::op
