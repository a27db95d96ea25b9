#include "exec/webgpu/fault.h"

#include <gtest/gtest.h>

namespace sluice::exec::webgpu {
namespace {

TEST(Fault, TextNamesKindAndStage) {
  for (const FaultKind kind : all_fault_kinds()) {
    for (const Stage stage : all_stages()) {
      const std::string text = std::string(name(kind)) + "@" + std::string(name(stage));
      auto injector = FaultInjector::parse(text);
      ASSERT_TRUE(injector.ok()) << text;
      EXPECT_EQ(injector->at(stage), kind);
      EXPECT_TRUE(injector->done());
    }
  }
}

TEST(Fault, EachFiresOnceAtItsStage) {
  auto injector =
      FaultInjector::parse("force_loss@submit, wrong_numbers@readback,inject_oom@submit");
  ASSERT_TRUE(injector.ok());
  EXPECT_EQ(injector->at(Stage::kUpload), std::nullopt);
  EXPECT_EQ(injector->at(Stage::kSubmit), FaultKind::kForceLoss);
  EXPECT_EQ(injector->at(Stage::kSubmit), FaultKind::kInjectOom);
  EXPECT_EQ(injector->at(Stage::kSubmit), std::nullopt);
  EXPECT_EQ(injector->fired().size(), 2u);
  EXPECT_FALSE(injector->done());
}

TEST(Fault, UnknownWordsAreNamed) {
  EXPECT_EQ(FaultInjector::parse("force_loss").error().code, ErrorCode::kUsage);
  EXPECT_NE(FaultInjector::parse("melt@submit").error().message.find("melt"), std::string::npos);
  EXPECT_NE(FaultInjector::parse("force_loss@dawn").error().message.find("middle_dispatch"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::exec::webgpu
