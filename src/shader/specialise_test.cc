#include <gtest/gtest.h>

#include "shader/shader.h"

namespace sluice::shader {
namespace {

TEST(Specialise, EveryShaderStandsAsItIs) {
  ASSERT_GT(sources().size(), 20U);
  for (const Source& source : sources()) {
    const auto text = specialise(source.name, {});
    ASSERT_TRUE(text.ok()) << text.error().text();
    EXPECT_NE(text->find("fn main("), std::string::npos) << source.path;
    EXPECT_EQ(text->find("// use "), std::string::npos) << source.path;
    EXPECT_EQ(text->find("{{"), std::string::npos) << source.path;
  }
}

TEST(Specialise, OnlyKnobsChange) {
  const auto plain = specialise("unary", {});
  const auto narrow = specialise("unary", {{"WG", "64u"}});
  ASSERT_TRUE(plain.ok() && narrow.ok());
  EXPECT_NE(narrow->find("const WG : u32 = 64u;"), std::string::npos);
  EXPECT_NE(*plain, *narrow);
}

TEST(Specialise, UnknownKnobsAndValuesAreErrors) {
  EXPECT_FALSE(specialise("no such shader", {}).ok());
  EXPECT_FALSE(specialise("unary", {{"NOSUCH", "1u"}}).ok());
  EXPECT_FALSE(specialise("unary", {{"WG", "65u"}}).ok());
  EXPECT_FALSE(specialise("unary", {{"WG", "256u; evil"}}).ok());
}

TEST(Specialise, HalfPrecisionIsEnabledWhereItIsUsed) {
  for (const Source& source : sources()) {
    for (const Knob& knob : knobs(source)) {
      if (!knob.is_alias ||
          std::find(knob.values.begin(), knob.values.end(), "f16") == knob.values.end()) {
        continue;
      }
      const auto text = specialise(source.name, {{knob.name, "f16"}});
      ASSERT_TRUE(text.ok());
      EXPECT_TRUE(text->starts_with("enable f16;")) << source.path;
    }
  }
}

}  // namespace
}  // namespace sluice::shader
