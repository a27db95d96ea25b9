#include "plan/encode.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "plan/issue.h"
#include "plan/poison.h"

namespace sluice::plan {
namespace {

// x [n, 4] -> first dispatch (with weights) -> y -> island -> z -> second dispatch -> out.
Plan small_plan() {
  Plan plan;
  plan.backend = "webgpu";
  const auto slot = [&](const char* name, Storage storage, Dims dims, int first, int last) {
    Slot s;
    s.name = name;
    s.type = Type::tensor(DType::kFloat32, std::move(dims));
    s.storage = storage;
    s.format = DeviceFormat::kF32;
    s.first_step = first;
    s.last_step = last;
    plan.slots.push_back(std::move(s));
    return static_cast<SlotId>(plan.slots.size() - 1);
  };
  const Dim n = Dim::symbol("n");
  const SlotId x = slot("x", Storage::kInput, {n, Dim(4)}, -1, 0);
  const SlotId w = slot("w", Storage::kConstant, {Dim(4)}, -1, 2);
  plan.slots[static_cast<size_t>(w)].constant = Tensor::of<float>(Shape{4}, {1, 2, 3, 4});
  const SlotId y = slot("y", Storage::kArena, {n, Dim(4)}, 0, 1);
  const SlotId z = slot("z", Storage::kArena, {n, Dim(4)}, 1, 2);
  const SlotId out = slot("out", Storage::kHeap, {n, Dim(4)}, 2, 3);
  plan.inputs = {x};
  plan.outputs = {out};
  plan.pipelines = {{"scale", {}, "fn main() {}"},
                    {"unused", {}, "fn nobody() {}"},
                    {"add", {}, "fn other() {}"}};
  const auto read = [](SlotId id) { return BoundRange{.range = id}; };
  const auto write = [](SlotId id) { return BoundRange{.range = id, .writable = true}; };
  Step one;
  one.op = "Mul";
  one.node = "first";
  one.inputs = {x, w};
  one.outputs = {y};
  one.dispatches = {
      {0, {Word::integer(n), Word::floating(2)}, {read(x), read(w), write(y)}, n, 5000}};
  Step two;
  two.op = "Custom";
  two.node = "island";
  two.inputs = {y, w};
  two.outputs = {z};
  two.subplans.push_back({"island", std::make_shared<Plan>(), {}});
  Step three;
  three.op = "Add";
  three.node = "last";
  three.inputs = {z};
  three.outputs = {out};
  three.dispatches = {{2, {}, {read(z), write(out)}, Dim(3), 0}};
  plan.steps = {one, two, three};
  return plan;
}

Encoded encoded(const Plan& plan, int64_t n, DeviceLayout* layout = nullptr) {
  const Dim::Environment symbols = {{"n", n}};
  auto laid = lay_out_device(plan, symbols, nullptr);
  EXPECT_TRUE(laid.ok());
  auto made = encode(plan, *laid, symbols);
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().text());
  if (layout != nullptr) *layout = *laid;
  return std::move(made).value();
}

TEST(Encode, GoldenText) {
  const Encoded code = encoded(small_plan(), 5);
  const auto text = disassemble(code.words, code.strings);
  ASSERT_TRUE(text.ok()) << text.error().text();
  EXPECT_EQ(*text, R"(Pipeline 0: "scale" uniform rrw, 12 characters
Pipeline 1: "add" rw, 13 characters
Pipeline 2: "sentinel" uniform w, 248 characters
Buffer 0: 80 bytes
Buffer 1: 80 bytes
Buffer 2: 16 bytes, weights
Buffer 3: 16 bytes
Constant 0: buffer 2 at 0, 16 bytes
Uniforms 272 bytes
Sentinel pipeline 2, uniform at 256, buffer 3
Begin
Fill with 2143346349: buffer 1 at 0, 80 bytes
Input 0: buffer 0 at 0, 80 bytes
Step 0: "Mul" "first"
Dispatch 5x1x1 pipeline 0, uniform 16 bytes at 0
  buffer 0 at 0, 80 bytes
  buffer 2 at 0, 16 bytes
  buffer 1 at 0, 80 bytes
Step 1: "Custom" "island"
Island 1
  reads 0: buffer 1 at 0, 80 bytes
  writes 0: buffer 0 at 0, 80 bytes
Step 2: "Add" "last"
Dispatch 3x1x1 pipeline 1
  buffer 0 at 0, 80 bytes
  buffer 1 at 0, 80 bytes
Output 0: buffer 1 at 0, 80 bytes
)");
}

// What exec/null writes down, from the same evaluation, and what the words say.
TEST(Encode, DispatchesAreThoseThatAreIssued) {
  const Plan plan = small_plan();
  for (const int64_t n : {0, 1, 7, 70000}) {
    DeviceLayout layout;
    const Encoded code = encoded(plan, n, &layout);
    const auto program = decode(code.words, code.strings);
    ASSERT_TRUE(program.ok()) << program.error().text();
    const auto issued = issue(plan, layout, {{"n", n}});
    ASSERT_TRUE(issued.ok());
    size_t next = 0;
    std::span<const uint32_t> uniforms;
    for (const Instruction& one : *program) {
      if (one.opcode == Opcode::kUniforms) uniforms = one.operands;
      if (one.opcode != Opcode::kDispatch) continue;
      const auto o = one.operands;
      const Issued& want = (*issued)[next++];
      EXPECT_EQ(o[1], want.grid.x);
      EXPECT_EQ(o[2], want.grid.y);
      EXPECT_EQ(o[3], want.grid.z);
      ASSERT_EQ(o.size(), 8 + 3 * want.bindings.size());
      for (size_t b = 0; b < want.bindings.size(); ++b) {
        EXPECT_EQ(o[8 + 3 * b], static_cast<uint32_t>(want.bindings[b].buffer));
        EXPECT_EQ(o[9 + 3 * b], want.bindings[b].offset_bytes);
        EXPECT_EQ(o[10 + 3 * b], want.bindings[b].size_bytes);
      }
      if (want.words.empty()) {
        EXPECT_EQ(o[4], kAbsent);
      } else {
        for (size_t w = 0; w < want.words.size(); ++w) {
          EXPECT_EQ(uniforms[o[4] / 4 + w], want.words[w]);
        }
      }
    }
    EXPECT_EQ(next, issued->size());
  }
}

TEST(Encode, OtherSizesKeepStringsPipelinesAndNumbersOfBuffers) {
  const Plan plan = small_plan();
  DeviceLayout layout;
  const Encoded small = encoded(plan, 5, &layout);
  const auto grown = lay_out_device(plan, {{"n", 500}}, &layout);
  ASSERT_TRUE(grown.ok());
  const auto large = encode(plan, *grown, {{"n", 500}});
  ASSERT_TRUE(large.ok());
  EXPECT_EQ(small.strings, large->strings);
  const auto early = encode_pipelines(plan);
  ASSERT_TRUE(early.ok());
  EXPECT_EQ(small.strings, early->strings);
  const auto a = decode(small.words, small.strings);
  const auto b = decode(large->words, large->strings);
  const auto c = decode(early->words, early->strings);
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  ASSERT_EQ(a->size(), b->size());
  for (size_t i = 0; i < a->size(); ++i) EXPECT_EQ((*a)[i].opcode, (*b)[i].opcode);
  for (size_t i = 0; i < c->size(); ++i) {
    EXPECT_EQ((*c)[i].opcode, Opcode::kPipeline);
    EXPECT_TRUE(std::ranges::equal((*c)[i].operands, (*a)[i].operands));
  }
}

TEST(Encode, EveryTruncationIsRefused) {
  const Encoded code = encoded(small_plan(), 5);
  for (size_t size = 0; size < code.words.size(); ++size) {
    EXPECT_FALSE(decode(std::span(code.words).first(size), code.strings).ok()) << size;
    // Also where the program claims to end there.
    std::vector<uint32_t> cut(code.words.begin(),
                              code.words.begin() + static_cast<ptrdiff_t>(size));
    if (size > 2) cut[2] = static_cast<uint32_t>(size);
    const auto decoded = decode(cut, code.strings);
    if (decoded.ok()) {
      EXPECT_TRUE(disassemble(cut, code.strings).ok());
    }
  }
  for (size_t strings = 0; strings + 1 < code.strings.size(); ++strings) {
    EXPECT_FALSE(decode(code.words, std::span(code.strings).first(strings)).ok());
  }
}

// What an executor relies on, looked at without the decoder's help.
void expect_harmless(std::span<const Instruction> program) {
  std::vector<uint64_t> buffers;
  std::vector<uint32_t> bindings;
  uint64_t uniform_bytes = 0;
  const auto range = [&](std::span<const uint32_t> three) {
    ASSERT_LT(three[0], buffers.size());
    ASSERT_LE(uint64_t{three[1]} + three[2], buffers[three[0]]);
    ASSERT_EQ((three[1] | three[2]) % 4, 0u);
  };
  for (const Instruction& one : program) {
    const auto o = one.operands;
    switch (one.opcode) {
      case Opcode::kBuffer:
        buffers.push_back(o[0]);
        break;
      case Opcode::kPipeline:
        bindings.push_back(o[3]);
        break;
      case Opcode::kUniforms:
        uniform_bytes = o.size_bytes();
        break;
      case Opcode::kSentinel:
        ASSERT_LT(o[0], bindings.size());
        ASSERT_LE(uint64_t{o[1]} + 16, uniform_bytes);
        ASSERT_LT(o[2], buffers.size());
        ASSERT_GE(buffers[o[2]], 16u);
        break;
      case Opcode::kConstant:
      case Opcode::kInput:
      case Opcode::kOutput:
      case Opcode::kFill:
        range(o.subspan(1));
        break;
      case Opcode::kDispatch:
        ASSERT_LT(o[0], bindings.size());
        ASSERT_EQ(o.size(), 8 + 3 * bindings[o[0]]);
        for (size_t b = 8; b < o.size(); b += 3) range(o.subspan(b, 3));
        if (o[4] != kAbsent) {
          ASSERT_LE(uint64_t{o[4]} + o[5], uniform_bytes);
        }
        break;
      case Opcode::kIsland:
        ASSERT_EQ(o.size(), 3 + 4 * (size_t{o[1]} + o[2]));
        for (size_t i = 3; i < o.size(); i += 4) range(o.subspan(i + 1, 3));
        break;
      case Opcode::kBegin:
      case Opcode::kStep:
        break;
    }
  }
}

TEST(Encode, EveryFlippedBitIsRefusedOrHarmless) {
  const Encoded code = encoded(small_plan(), 5);
  int refused = 0, harmless = 0;
  for (size_t word = 0; word < code.words.size(); ++word) {
    for (int bit = 0; bit < 32; ++bit) {
      std::vector<uint32_t> words = code.words;
      words[word] ^= 1u << bit;
      const auto program = decode(words, code.strings);
      if (!program.ok()) {
        ++refused;
        EXPECT_FALSE(program.error().message.empty());
        continue;
      }
      ++harmless;
      SCOPED_TRACE(cat("word ", word, " bit ", bit));
      expect_harmless(*program);
      EXPECT_TRUE(disassemble(words, code.strings).ok());
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(harmless, 100);  // uniform words, costs, names
}

TEST(Encode, ABadPlanIsRefused) {
  Plan plan = small_plan();
  const Dim::Environment symbols = {{"n", 5}};
  const auto layout = lay_out_device(plan, symbols);
  ASSERT_TRUE(layout.ok());
  plan.steps[0].dispatches[0].pipeline = 9;
  EXPECT_FALSE(encode(plan, *layout, symbols).ok());
  plan.steps[0].dispatches[0].pipeline = 2;  // of another shape
  EXPECT_FALSE(encode(plan, *layout, symbols).ok());
  plan = small_plan();
  plan.backend = "cpu";
  EXPECT_FALSE(encode(plan, *layout, symbols).ok());
  plan = small_plan();
  plan.steps[2].dispatches.clear();  // nothing makes the output
  EXPECT_FALSE(encode(plan, *layout, symbols).ok());
}

TEST(Poison, IsSeenOnBits) {
  const uint32_t words[] = {0x3f800000, kPoison, 0x7f800000};
  const auto bytes = std::as_bytes(std::span(words));
  EXPECT_TRUE(look_at_bits(bytes, DeviceFormat::kF32).poison);
  EXPECT_TRUE(look_at_bits(bytes, DeviceFormat::kF32).nonfinite);
  EXPECT_FALSE(look_at_bits(bytes, DeviceFormat::kI32).poison);
  EXPECT_FALSE(look_at_bits(bytes.first(4), DeviceFormat::kF32).nonfinite);
}

}  // namespace
}  // namespace sluice::plan
