// Forced lies: whatever a device says or computes wrong must be refused, with a sentence that says
// so.
#include "session/gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/text.h"
#include "exec/webgpu/fault.h"
#include "exec/webgpu/software_device.h"

namespace sluice::session {
namespace {

namespace gpu = exec::webgpu;

AdapterFacts honest() {
  AdapterFacts facts;
  facts.present = true;
  facts.vendor = "acme";
  facts.device = "Acme 9000";
  return facts;
}

GateDecision judge(const AdapterFacts& facts, const GateOptions& options = {},
                   const PlanNeeds* needs = nullptr) {
  return gate_facts(facts, needs, options);
}

// The one finding that failed.
std::string failed(const GateDecision& decision) {
  std::string names;
  for (const GateFinding& finding : decision.findings) {
    EXPECT_FALSE(finding.sentence.empty()) << finding.check;
    if (!finding.passed) names += (names.empty() ? "" : ", ") + finding.check;
  }
  EXPECT_EQ(decision.passed, names.empty());
  EXPECT_EQ(decision.refusal().empty(), names.empty());
  return names;
}

TEST(GateTest, AnHonestAdapterPasses) {
  const GateDecision decision = judge(honest());
  EXPECT_EQ(failed(decision), "");
  EXPECT_GE(decision.findings.size(), 4u);
}

TEST(GateTest, NoAdapterIsRefused) {
  EXPECT_EQ(failed(judge({})), "adapter");
  EXPECT_EQ(failed(gate(nullptr, nullptr, {})), "adapter");
}

TEST(GateTest, ASoftwareAdapterIsRefusedUnlessAllowed) {
  AdapterFacts facts = honest();
  facts.software = true;
  EXPECT_EQ(failed(judge(facts)), "software adapter");
  const GateDecision allowed = judge(facts, {.allow_software = true});
  EXPECT_EQ(failed(allowed), "");
  EXPECT_NE(allowed.findings.front().sentence.find("was allowed"), std::string::npos);
}

TEST(GateTest, ASoftwareAdapterThatDeniesItIsKnownByItsName) {
  for (const char* name : {"SwiftShader Device (Subzero)", "llvmpipe (LLVM 15)", "Lavapipe",
                           "softpipe", "Microsoft Basic Render Driver"}) {
    AdapterFacts facts = honest();
    facts.device = name;
    const GateDecision decision = judge(facts);
    EXPECT_EQ(failed(decision), "software adapter") << name;
    EXPECT_NE(decision.refusal().find("denies"), std::string::npos) << decision.refusal();
  }
}

TEST(GateTest, EmptyInfoProvesNothing) {
  AdapterFacts facts = honest();
  facts.vendor = facts.device = "";
  const GateDecision decision = judge(facts);
  EXPECT_EQ(failed(decision), "");
  EXPECT_NE(decision.findings.at(1).sentence.find("proves nothing"), std::string::npos);
}

TEST(GateTest, LimitsBelowTheGuaranteedOnesAreRefused) {
  const auto refused = [](auto change) {
    AdapterFacts facts = honest();
    change(facts.limits);
    const GateDecision decision = judge(facts);
    EXPECT_EQ(failed(decision), "guaranteed limits");
    return decision.refusal();
  };
  // What compatibility mode offers.
  EXPECT_NE(refused([](plan::Limits& l) {
              l.max_storage_buffers_per_stage = 4;
            }).find("maxStorageBuffersPerShaderStage 4 (8"),
            std::string::npos);
  refused([](plan::Limits& l) { l.max_storage_binding_bytes = (128 << 20) - 4; });
  refused([](plan::Limits& l) { l.max_uniform_binding_bytes = 16384; });
  refused([](plan::Limits& l) { l.max_buffer_bytes = 1 << 20; });
  refused([](plan::Limits& l) { l.max_workgroups_per_dimension = 65534; });
  refused([](plan::Limits& l) { l.max_invocations_per_workgroup = 128; });
  refused([](plan::Limits& l) { l.max_workgroup_size_x = 128; });
  refused([](plan::Limits& l) { l.max_workgroup_size_y = 128; });
  refused([](plan::Limits& l) { l.max_workgroup_size_z = 32; });
  refused([](plan::Limits& l) { l.max_workgroup_storage_bytes = 8192; });
}

TEST(GateTest, LimitsThatMakeNoSenseAreRefused) {
  const auto refused = [](auto change) {
    AdapterFacts facts = honest();
    change(facts.limits);
    const GateDecision decision = judge(facts);
    EXPECT_FALSE(decision.passed);
    EXPECT_NE(decision.refusal().find("no sense"), std::string::npos) << decision.refusal();
  };
  refused([](plan::Limits& l) { l.max_storage_buffers_per_stage = 0; });
  refused([](plan::Limits& l) { l.max_storage_buffers_per_stage = 0xffffffffu; });
  refused([](plan::Limits& l) { l.max_buffer_bytes = ~0ull; });
  refused([](plan::Limits& l) { l.max_storage_binding_bytes = ~0ull; });
  refused([](plan::Limits& l) { l.min_storage_offset_alignment = 0; });
  refused([](plan::Limits& l) { l.min_storage_offset_alignment = 48; });
  refused([](plan::Limits& l) { l.min_storage_offset_alignment = 4096; });
}

TEST(GateTest, ThePlansNeedsAreComparedWithWhatIsOffered) {
  PlanNeeds needs;
  needs.most_storage_buffers = 8;
  needs.largest_binding_bytes = 128ull << 20;
  needs.largest_buffer_bytes = 256ull << 20;
  needs.peak_bytes = 1ull << 40;
  // WebGPU does not tell how much memory there is: no verdict without a budget.
  EXPECT_EQ(failed(judge(honest(), {}, &needs)), "");
  EXPECT_EQ(failed(judge(honest(), {.memory_budget_bytes = 1ull << 30}, &needs)), "memory");
  AdapterFacts software = honest();
  software.software = true;
  EXPECT_EQ(failed(judge(software, {.allow_software = true}, &needs)), "memory");
  needs.peak_bytes = 1 << 20;

  PlanNeeds more = needs;
  more.limits.max_storage_buffers_per_stage = 10;
  EXPECT_EQ(failed(judge(honest(), {}, &more)), "plan's limits");
  more = needs;
  more.most_storage_buffers = 65;
  EXPECT_EQ(failed(judge(honest(), {}, &more)), "storage buffers");
  more = needs;
  more.largest_binding_bytes += 16;
  more.largest_binding = "Conv \"stage1\" input 0";
  const GateDecision decision = judge(honest(), {}, &more);
  EXPECT_EQ(failed(decision), "largest binding");
  EXPECT_EQ(decision.refusal(),
            "The largest binding takes 129 MiB, for Conv \"stage1\" input 0 (128 MiB are offered)");
  more = needs;
  more.largest_buffer_bytes += 16;
  EXPECT_EQ(failed(judge(honest(), {}, &more)), "largest buffer");
  more = needs;
  more.features.f16 = true;
  EXPECT_EQ(failed(judge(honest(), {}, &more)), "plan's features");
}

TEST(GateTest, RechecksAfterWarmUpAndNowAndThen) {
  EXPECT_FALSE(recheck_due(0));
  EXPECT_TRUE(recheck_due(1));
  EXPECT_FALSE(recheck_due(2));
  EXPECT_TRUE(recheck_due(kRecheckRuns));
  EXPECT_FALSE(recheck_due(kRecheckRuns + 1));
}

// --- on a device

// Tensors share their elements: another one, its 32-bit words from `first` on changed.
Tensor tampered(const Tensor& tensor, int64_t first, int64_t count,
                const std::function<uint32_t(uint32_t)>& change) {
  Tensor copy = tensor.clone().value();
  for (int64_t i = first; i < first + count; ++i) {
    uint32_t word = 0;
    std::byte* const at = copy.mutable_bytes().data() + i * 4;
    std::memcpy(&word, at, 4);
    word = change(word);
    std::memcpy(at, &word, 4);
  }
  return copy;
}

class SelfTestOnDevice : public testing::Test {
 protected:
  void SetUp() override {
    auto device = gpu::software_device();
    if (!device) GTEST_SKIP() << "not run: " << device.error().text();
    device_ = *device;
    options_.allow_software = true;
  }
  void TearDown() override {
    if (device_ == nullptr) return;
    EXPECT_EQ(device_->health().uncaptured_errors, 0);
  }
  // Of its own, to be broken.
  static std::shared_ptr<gpu::Device> own_device(double deadline_seconds = 10) {
    gpu::DeviceOptions how;
    how.allow_software = true;
    how.deadline_seconds = deadline_seconds;
    auto device = gpu::Device::create(how);
    EXPECT_TRUE(device.ok()) << (device.ok() ? "" : device.error().text());
    return device.ok() ? std::move(device).value() : nullptr;
  }
  std::shared_ptr<gpu::Device> device_;
  GateOptions options_;
};

TEST_F(SelfTestOnDevice, ARightDevicePassesAgainAndAgain) {
  GateDecision decision = gate(device_, nullptr, options_);
  EXPECT_EQ(failed(decision), "");
  ASSERT_NE(decision.self_test, nullptr);
  for (const char* check :
       {"self-test", "float32 arithmetic", "int8 dequantize", "reverse slice",
        "workgroup memory and barriers", "more than 65,535 workgroups", "big buffer"}) {
    EXPECT_TRUE(std::ranges::any_of(decision.findings, [&](const GateFinding& f) {
      return f.check == check;
    })) << check;
  }
  const size_t before = decision.findings.size();
  const auto fresh = gate_again(decision, "after warm-up");
  EXPECT_TRUE(decision.passed);
  EXPECT_FALSE(fresh.empty());
  EXPECT_EQ(decision.findings.size(), before);  // only what fails is added
  EXPECT_NE(fresh.front().sentence.find("after warm-up"), std::string::npos);
}

TEST_F(SelfTestOnDevice, SessionsOfOneDeviceShareItsTest) {
  GateDecision first = gate(device_, nullptr, options_);
  ASSERT_TRUE(first.passed);
  const GateDecision second = gate(device_, nullptr, options_);
  EXPECT_TRUE(second.passed);
  EXPECT_EQ(second.self_test, first.self_test);
  EXPECT_EQ(second.findings.size(), first.findings.size());
}

TEST_F(SelfTestOnDevice, EachWrongBitIsSeenInEachCheck) {
  // Learns the names of the checks, then flips one bit of one output at a time.
  std::vector<std::string> checks;
  options_.rounds = 1;
  options_.test.tamper = [&](std::string_view check, int, Tensor&) { checks.emplace_back(check); };
  ASSERT_TRUE(gate(device_, nullptr, options_).passed);
  ASSERT_GE(checks.size(), 6u);
  for (const std::string& lie : checks) {
    for (const double place : {0.0, 0.5, 1.0}) {
      options_.test.tamper = [&](std::string_view check, int, Tensor& output) {
        if (check != lie) return;
        const auto at = static_cast<int64_t>(place * static_cast<double>(output.elements() - 1));
        // Of a float32: its exponent.
        output = tampered(output, at, 1, [](uint32_t word) { return word ^ 1u << 23; });
      };
      const GateDecision decision = gate(device_, nullptr, options_);
      EXPECT_EQ(failed(decision), lie) << place;
      EXPECT_EQ(decision.self_test, nullptr);
    }
  }
}

TEST_F(SelfTestOnDevice, ZerosAndNansAreSeen) {
  for (const uint32_t word : {0u, 0x7fc00000u, gpu::kPoison}) {
    options_.test.tamper = [&](std::string_view check, int, Tensor& output) {
      if (check != "float32 arithmetic") return;
      output = tampered(output, 0, output.elements(), [&](uint32_t) { return word; });
    };
    EXPECT_EQ(failed(gate(device_, nullptr, options_)), "float32 arithmetic") << word;
  }
}

// What wrong drivers make of the shaders: each must be seen by the check that stands for it.
TEST_F(SelfTestOnDevice, PlantedMutationsAreSeen) {
  struct Mutation {
    const char *shader, *from, *to, *check;
  };
  const Mutation mutations[] = {
      {"canary_arithmetic", "dot = fma(u, v, dot);", "dot = fma(u, v, 0.0);", "float32 arithmetic"},
      {"canary_arithmetic", "dot = fma(u, v, dot);", "dot += u * trunc(v * 0.125) * 8.0;",
       "float32 arithmetic"},
      {"canary_arithmetic", "exp(-min(abs(u), 64.0) * 0.125)", "1.0", "float32 arithmetic"},
      // An exponential good for 3 digits only.
      {"canary_arithmetic", "exp(-min(abs(u), 64.0) * 0.125)",
       "(exp(-min(abs(u), 64.0) * 0.125) * 1.001)", "float32 arithmetic"},
      {"canary_arithmetic", "k < p.depth", "k + 1u < p.depth", "float32 arithmetic"},
      {"canary_arithmetic", "if (row >= p.rows) { return; }", "if (row >= 64u) { return; }",
       "float32 arithmetic"},
      {"canary_unpack", "(word << (24u - 8u * byte)) >> 24u",
       "i32((bitcast<u32>(word) << (24u - 8u * byte)) >> 24u)", "int8 dequantize"},
      {"canary_unpack", "extractBits(word, 8u * byte, 8u)",
       "i32(extractBits(bitcast<u32>(word), 8u * byte, 8u))", "int8 dequantize"},
      {"canary_unpack", "let byte = i % 4u;", "let byte = 3u - i % 4u;", "int8 dequantize"},
      {"canary_unpack", "value - p.zero_point", "value", "int8 dequantize"},
      {"canary_reverse", "p.row_start +", "36 +", "reverse slice"},
      {"canary_reverse", "* p.column_step", "* -p.column_step", "reverse slice"},
      {"canary_reverse", "p.column_start +", "i32(p.columns_in) - 1 +", "reverse slice"},
      {"canary_scan", "    workgroupBarrier();\n    sum += before;", "    sum += before;",
       "workgroup memory and barriers"},
      {"canary_scan", "reach < 256u", "reach < 128u", "workgroup memory and barriers"},
      {"canary_scan", "lid >= reach", "lid > reach", "workgroup memory and barriers"},
      {"canary_grid", "let i = workgroup_index(wid, nwg);", "let i = wid.x;",
       "more than 65,535 workgroups"},
      {"canary_grid", "if (i >= p.n)", "if (i >= 65535u)", "more than 65,535 workgroups"},
      {"canary_packed_dot", "dot4I8Packed(a[i], b[i])", "i32(dot4U8Packed(a[i], b[i]))",
       "packed int8 dot products"},
      {"canary_store", "buffer[at] =", "buffer[at % (p.words / 2u)] =", "big buffer"},
      {"canary_load", "buffer[at]", "buffer[min(at, p.words - 2u)]", "big buffer"},
  };
  int planted = 0;
  for (const Mutation& m : mutations) {
    bool found = false;
    options_.test.mutate = [&](std::string_view shader, std::string& wgsl) {
      if (shader != m.shader) return;
      const size_t at = wgsl.find(m.from);
      if (at == std::string::npos) return;
      found = true;
      wgsl.replace(at, std::strlen(m.from), m.to);
    };
    const GateDecision decision = gate(device_, nullptr, options_);
    if (!found && std::string_view(m.shader) == "canary_packed_dot") continue;  // not offered
    EXPECT_TRUE(found) << m.shader << ": " << m.from;
    EXPECT_EQ(failed(decision), m.check) << m.shader << ": " << m.to << ": " << decision.refusal();
    ++planted;
  }
  EXPECT_GE(planted, 20);
}

TEST_F(SelfTestOnDevice, FirstRunRightLaterOnesWrong) {
  int bad_from = 2;
  options_.test.tamper = [&](std::string_view check, int round, Tensor& output) {
    if (round < bad_from || check != "int8 dequantize") return;
    output = Tensor::allocate(output.dtype(), output.shape()).value();
  };
  GateDecision decision = gate(device_, nullptr, options_);
  EXPECT_EQ(failed(decision), "int8 dequantize");
  EXPECT_NE(decision.refusal().find("in round 2"), std::string::npos) << decision.refusal();

  // Right three times at load, wrong after warm-up.
  bad_from = 4;
  decision = gate(device_, nullptr, options_);
  ASSERT_TRUE(decision.passed);
  const auto fresh = gate_again(decision, "after warm-up");
  EXPECT_FALSE(decision.passed);
  EXPECT_EQ(failed(decision), "int8 dequantize");
  EXPECT_NE(decision.refusal().find("wrong after warm-up"), std::string::npos);
  EXPECT_TRUE(gate_again(decision, "later").empty());
}

TEST_F(SelfTestOnDevice, TheFaultOfWrongNumbersIsRefused) {
  auto faults = gpu::FaultInjector::parse("wrong_numbers@readback");
  ASSERT_TRUE(faults.ok());
  options_.test.faults = &*faults;
  const GateDecision decision = gate(device_, nullptr, options_);
  EXPECT_FALSE(decision.passed);
  EXPECT_TRUE(faults->done());
  EXPECT_NE(decision.refusal().find("wrong at load"), std::string::npos) << decision.refusal();
}

TEST_F(SelfTestOnDevice, AdaptersThatFailWhileTestedAreRefused) {
  // Each on a device of its own: most break it.
  for (const char* fault :
       {"force_loss@pipeline", "force_loss@first_dispatch", "force_loss@submit",
        "force_loss@readback", "inject_oom@upload", "inject_validation@submit",
        "inject_internal@last_dispatch", "never_settling@readback", "force_loss@between_runs"}) {
    const auto device = own_device(1);
    ASSERT_NE(device, nullptr);
    auto faults = gpu::FaultInjector::parse(fault);
    ASSERT_TRUE(faults.ok()) << faults.error().text();
    GateOptions options = options_;
    options.test.faults = &*faults;
    const GateDecision decision = gate(device, nullptr, options);
    EXPECT_FALSE(decision.passed) << fault;
    EXPECT_EQ(failed(decision), "self-test") << fault;
    EXPECT_NE(decision.refusal().find("can't be run"), std::string::npos) << decision.refusal();
  }
}

TEST_F(SelfTestOnDevice, AlienBackendsThatComputeNothingAreRefused) {
  // Dawn's null backend accepts everything and computes nothing.
  gpu::DeviceOptions how;
  how.null_backend = true;
  auto info = gpu::probe_adapter(how);
  if (!info) GTEST_SKIP() << "not run: " << info.error().text();
  how.features = info->features;
  auto device = gpu::Device::create(how);
  ASSERT_TRUE(device.ok()) << device.error().text();
  EXPECT_TRUE(info->features.f16);  // the null backend offers every feature
  // The float16 check is at least compiled here, where software adapters have no shader-f16.
  const auto test = SelfTest::create(*device);
  EXPECT_TRUE(test.ok()) << (test.ok() ? "" : test.error().text());
  const GateDecision decision = gate(*device, nullptr, options_);
  EXPECT_FALSE(decision.passed);
  EXPECT_FALSE(decision.refusal().empty());
}

TEST_F(SelfTestOnDevice, ALostDeviceIsRefused) {
  auto faults = gpu::FaultInjector::parse("force_loss@submit");
  ASSERT_TRUE(faults.ok());
  const auto device = own_device();
  ASSERT_NE(device, nullptr);
  GateOptions options = options_;
  options.test.faults = &*faults;
  EXPECT_FALSE(gate(device, nullptr, options).passed);
  options.test.faults = nullptr;
  const GateDecision again = gate(device, nullptr, options);
  EXPECT_EQ(failed(again), "device");
}

}  // namespace
}  // namespace sluice::session
