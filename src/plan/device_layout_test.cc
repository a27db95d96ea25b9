#include "plan/device_layout.h"

#include <gtest/gtest.h>

#include <cstring>

namespace sluice::plan {
namespace {

Slot slot(const char* name, Dim elements, int first, int last) {
  Slot made;
  made.name = name;
  made.type = Type::tensor(DType::kFloat32, Dims{std::move(elements)});
  made.storage = Storage::kArena;
  made.format = DeviceFormat::kF32;
  made.first_step = first;
  made.last_step = last;
  return made;
}

Step copy_step(SlotId from, SlotId to) {
  Step step;
  step.op = "Copy";
  Dispatch dispatch;
  dispatch.pipeline = 0;
  dispatch.bindings = {{from, false}, {to, true}};
  dispatch.workgroups = 1;
  step.dispatches.push_back(std::move(dispatch));
  return step;
}

Plan chain(const Dim& elements) {
  Plan plan;
  plan.backend = "webgpu";
  plan.pipelines.push_back({"copy", {}, ""});
  for (int i = 0; i < 5; ++i) plan.slots.push_back(slot("v", elements, i - 1, i));
  for (int i = 0; i < 4; ++i) plan.steps.push_back(copy_step(i, i + 1));
  return plan;
}

TEST(DeviceLayout, AChainNeedsTwoBuffers) {
  const auto layout = lay_out_device(chain(Dim(100)), {});
  ASSERT_TRUE(layout.ok()) << layout.error().text();
  EXPECT_EQ(layout->buffer_bytes.size(), 2U);
  EXPECT_EQ(layout->total_bytes, 800U);
  EXPECT_EQ(layout->most_storage_buffers, 2U);
  for (int i = 0; i + 1 < 5; ++i) {
    EXPECT_NE(layout->buffer[static_cast<size_t>(i)], layout->buffer[static_cast<size_t>(i + 1)]);
  }
}

TEST(DeviceLayout, SymbolsGrowBuffersButKeepTheirPlaces) {
  const Plan plan = chain(Dim::symbol("n") * Dim(4));
  const auto small = lay_out_device(plan, {{"n", 3}});
  ASSERT_TRUE(small.ok()) << small.error().text();
  const auto large = lay_out_device(plan, {{"n", 300}}, &*small);
  ASSERT_TRUE(large.ok()) << large.error().text();
  EXPECT_EQ(small->buffer, large->buffer);
  EXPECT_GT(large->total_bytes, small->total_bytes);
  const auto again = lay_out_device(plan, {{"n", 3}}, &*large);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->buffer_bytes, large->buffer_bytes);
}

TEST(DeviceLayout, LimitsAreRefusedInASentence) {
  auto binding = lay_out_device(chain(Dim((128 << 20) / 4 + 4)), {});
  ASSERT_FALSE(binding.ok());
  EXPECT_EQ(binding.error().code, ErrorCode::kResource);
  EXPECT_NE(binding.error().message.find("134217728"), std::string::npos);
  EXPECT_TRUE(lay_out_device(chain(Dim((128 << 20) / 4)), {}).ok());
  auto buffer = lay_out_device(chain(Dim(1 << 28)), {});
  ASSERT_FALSE(buffer.ok());
  EXPECT_EQ(buffer.error().code, ErrorCode::kResource);
  auto overflow = lay_out_device(chain(Dim(INT64_MAX)), {});
  ASSERT_FALSE(overflow.ok());
  auto open = lay_out_device(chain(Dim::symbol("n")), {});
  ASSERT_FALSE(open.ok());
  auto negative = lay_out_device(chain(Dim::symbol("n")), {{"n", -1}});
  ASSERT_FALSE(negative.ok());
}

TEST(DeviceLayout, OneBufferIsNeverReadAndWritten) {
  Plan plan = chain(Dim(8));
  plan.slots[1].storage = Storage::kAlias;
  plan.slots[1].alias_of = 0;
  const auto layout = lay_out_device(plan, {});
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(layout.error().code, ErrorCode::kInternal);
}

TEST(DeviceLayout, GridsFold) {
  for (const uint64_t count : {1ULL, 65535ULL, 65536ULL, 70000ULL, 10000000ULL, 4294836225ULL,
                               4294836226ULL, 20000000000ULL}) {
    const auto grid = fold_grid(count, 65535);
    ASSERT_TRUE(grid.ok());
    EXPECT_GE(static_cast<uint64_t>(grid->x) * grid->y * grid->z, count);
    EXPECT_LE(std::max({grid->x, grid->y, grid->z}), 65535U);
    // The surplus is less than a row, or a layer where there are several.
    const uint64_t surplus = static_cast<uint64_t>(grid->x) * grid->y * grid->z - count;
    EXPECT_LT(surplus,
              static_cast<uint64_t>(grid->x) * (grid->z > 1 ? grid->y : 1) + grid->z * 65535ULL);
  }
  EXPECT_EQ(fold_grid(0, 65535)->x, 0U);
  EXPECT_FALSE(fold_grid(UINT64_MAX, 65535).ok());
}

TEST(DeviceLayout, EveryDTypeComesBackAsItWas) {
  for (int d = 1; d < kDTypeCount; ++d) {
    const auto dtype = static_cast<DType>(d);
    for (const bool f16 : {false, true}) {
      const DeviceFormat format = device_format(dtype, f16);
      if (format == DeviceFormat::kNone) continue;
      auto tensor = Tensor::allocate(dtype, Shape{7});
      ASSERT_TRUE(tensor.ok());
      for (int64_t i = 0; i < 7; ++i) {
        if (is_floating(dtype)) {
          tensor->set_double(i, static_cast<double>(i) - 3.0);
        } else {
          tensor->set_int(i, is_signed_integer(dtype) ? i % 2 - 1 : i % 2);
        }
      }
      const auto bytes = to_device(*tensor, format);
      ASSERT_TRUE(bytes.ok()) << bytes.error().text();
      EXPECT_EQ(bytes->size(), 7U * element_bytes(format));
      const auto back = from_device(*bytes, format, dtype, Shape{7});
      ASSERT_TRUE(back.ok()) << back.error().text();
      EXPECT_EQ(std::memcmp(back->bytes().data(), tensor->bytes().data(), tensor->size_bytes()), 0)
          << dtype_name(dtype);
    }
  }
}

}  // namespace
}  // namespace sluice::plan
