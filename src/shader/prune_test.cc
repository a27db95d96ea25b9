#include "shader/prune.h"

#include <gtest/gtest.h>

namespace sluice::shader {
namespace {

TEST(Prune, KeepsTheClauseThatHolds) {
  const char* text =
      "fn f(v : f32) -> f32 {\n"
      "  switch (OP) {\n"
      "    case 0u: { return v; }\n"
      "    case 1u, 2u: {  // two\n"
      "      if (OP == 1u) { return 1.0; }\n"
      "      if (OP == 2u) { return 2.0; }\n"
      "    }\n"
      "    default: { return v; }\n"
      "  }\n"
      "}\n";
  EXPECT_EQ(prune(text, {{"OP", "2u"}}),
            "fn f(v : f32) -> f32 {\n{  // two\n      if (OP == 2u) { return 2.0; }\n    }\n}\n");
  EXPECT_EQ(prune(text, {{"OP", "7u"}}), "fn f(v : f32) -> f32 {\n{ return v; }\n}\n");
  EXPECT_EQ(prune(text, {{"OTHER", "7u"}}), text);
}

TEST(Prune, RemovesWhatDoesNotHold) {
  EXPECT_EQ(prune("if (HAS) {\n  a = 1;\n}\nb = 2;\n", {{"HAS", "false"}}), "b = 2;\n");
  EXPECT_EQ(prune("if (!HAS) { a = 1; }\nb = 2;\n", {{"HAS", "true"}}), "b = 2;\n");
}

TEST(Prune, LeavesWhatItCanNotRead) {
  const KnobValues off = {{"HAS", "false"}, {"OP", "1u"}};
  for (const char* text :
       {"if (HAS) {\n  a = 1;\n} else {\n  a = 2;\n}\n", "if (HAS) { a = 1; } else { a = 2; }\n",
        "if (HAS && x) {\n  a = 1;\n}\n", "if (HAS) {\n  a = 1;\n} else if (x) {\n  a = 2;\n}\n",
        "switch (OP) {\n  case 1u: {\n    break;\n  }\n  default: {}\n}\n",
        "switch (OP) {\n  case KIND: { return 1; }\n  default: { return 2; }\n}\n"}) {
    EXPECT_EQ(prune(text, off), text);
  }
}

}  // namespace
}  // namespace sluice::shader
