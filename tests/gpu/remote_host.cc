#include "gpu/remote_host.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "base/text.h"
#include "exec/webgpu/driver.h"
#include "exec/webgpu/pipelines.h"
#include "exec/webgpu/readback.h"
#include "exec/webgpu/recorder.h"
#include "session/gate.h"

namespace sluice::gpu_tests {

using namespace exec::webgpu;
using plan::Encoded;
using plan::Instruction;
using plan::kAbsent;
using plan::Opcode;
using Bytes = std::span<const std::byte>;
using Operands = std::span<const uint32_t>;

namespace {

// Where a program's data comes from and goes to.
struct Core {
  std::function<Result<Bytes>(size_t)> constant, input;
  std::function<Result<void>(size_t step, size_t index, Bytes)> island_input;
  std::function<Result<void>(size_t step)> island_run;
  std::function<Result<Bytes>(size_t step, size_t index)> island_output;
  std::function<Result<void>(size_t, std::vector<std::byte>)> output;
};

// A program on the device.
struct Loaded {
  std::vector<std::string> strings;
  std::vector<uint32_t> words;
  uint32_t generation = 0;
  std::vector<std::shared_ptr<CompiledPipeline>> pipelines;
  struct Buffer {
    Handle<WGPUBuffer> handle;
    uint32_t bytes = 0;
    bool weights = false, fresh = false;
  };
  std::vector<Buffer> buffers;
  Handle<WGPUBuffer> uniforms;
  struct Bound {
    BoundDispatch dispatch;
    std::vector<uint32_t> operands;
  };
  std::vector<Bound> dispatches;
  Handle<WGPUBindGroup> sentinel_group;
  uint32_t sentinel_pipeline = 0, sentinel_uniform = 0, sentinel_buffer = 0;
};

}  // namespace

struct RemoteHost::State {
  State(std::shared_ptr<Device> the_device, session::RemoteSession& the_session)
      : device(std::move(the_device)),
        driver(device->driver()),
        session(the_session),
        recorder(driver, 0.2) {}
  std::shared_ptr<Device> device;
  Driver& driver;
  session::RemoteSession& session;
  Recorder recorder;
  HostCounts counts;
  std::map<uint32_t, Loaded> programs;
  uint32_t sentinel = 0;

  Result<void> compile(Loaded& to, const Encoded& code, const RemoteHost& host);
  Result<void> set_up(Loaded& to, const Encoded& code, const Core& core);
  Handle<WGPUBindGroup> group(const Loaded& of, uint32_t pipeline, uint32_t uniform_offset,
                              uint32_t uniform_bytes, Operands ranges);
  Result<std::vector<std::vector<std::byte>>> read(Loaded& of, const std::vector<Operands>& ranges);
  Result<void> execute(Loaded& what, const Core& core, const RemoteHost& host);
};

Result<void> RemoteHost::State::compile(Loaded& to, const Encoded& code, const RemoteHost& host) {
  SLUICE_ASSIGN(const auto program, plan::decode(code.words, code.strings));
  to.strings = code.strings;
  std::vector<PipelineRequest> requests;
  for (const Instruction& one : program) {
    if (one.opcode != Opcode::kPipeline) continue;
    PipelineRequest request;
    request.label = to.strings[one.operands[0]];
    std::string& wgsl = to.strings[one.operands[1]];
    if (host.miscompile) host.miscompile(wgsl);
    request.wgsl = wgsl;
    request.signature.uniform = one.operands[2] == 1;
    for (uint32_t b = 0; b < one.operands[3]; ++b) {
      request.signature.writable.push_back((one.operands[4] >> b & 1) != 0);
    }
    requests.push_back(request);
  }
  SLUICE_ASSIGN(to.pipelines, compile_pipelines(driver, requests, nullptr));
  counts.pipelines += static_cast<int>(requests.size());
  return {};
}

Handle<WGPUBindGroup> RemoteHost::State::group(const Loaded& of, uint32_t pipeline,
                                               uint32_t uniform_offset, uint32_t uniform_bytes,
                                               Operands ranges) {
  std::vector<BoundBuffer> bound;
  if (uniform_offset != kAbsent) {
    bound.push_back({0, of.uniforms.get(), uniform_offset, uniform_bytes});
  }
  for (size_t b = 0; 3 * b < ranges.size(); ++b) {
    bound.push_back({static_cast<uint32_t>(1 + b), of.buffers[ranges[3 * b]].handle.get(),
                     ranges[3 * b + 1], ranges[3 * b + 2]});
  }
  ++counts.bind_groups;
  return make_bind_group(driver, *of.pipelines[pipeline], bound, "remote");
}

// Buffers that grew, weights that are not there yet, uniforms, bind groups.
Result<void> RemoteHost::State::set_up(Loaded& to, const Encoded& code, const Core& core) {
  SLUICE_ASSIGN(const auto program, plan::decode(code.words, to.strings));
  to.words = code.words;
  ErrorScopes scopes(driver);
  bool moved = false;
  size_t buffer = 0;
  for (const Instruction& one : program) {
    const Operands o = one.operands;
    if (one.opcode == Opcode::kBuffer) {
      if (to.buffers.size() <= buffer) to.buffers.emplace_back();
      Loaded::Buffer& at = to.buffers[buffer++];
      at.weights = o[1] == 1;
      at.fresh = false;
      if (at.handle && at.bytes >= o[0]) continue;
      SLUICE_ASSIGN(
          at.handle,
          driver.create_buffer(
              o[0], WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst,
              "remote"));
      at.bytes = o[0];
      at.fresh = moved = true;
      ++counts.buffers;
    } else if (one.opcode == Opcode::kConstant && to.buffers[o[1]].fresh) {
      SLUICE_ASSIGN(const Bytes bytes, core.constant(o[0]));
      if (bytes.size() != o[3]) return internal_error("a constant has another size");
      driver.write_buffer(to.buffers[o[1]].handle.get(), o[2], bytes.data(), bytes.size());
      ++counts.constants;
    } else if (one.opcode == Opcode::kUniforms) {
      if (!to.uniforms) {
        SLUICE_ASSIGN(
            to.uniforms,
            driver.create_buffer(o.size_bytes(), WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst,
                                 "uniforms"));
      }
      driver.write_buffer(to.uniforms.get(), 0, o.data(), o.size_bytes());
    } else if (one.opcode == Opcode::kSentinel) {
      to.sentinel_pipeline = o[0];
      to.sentinel_uniform = o[1];
      to.sentinel_buffer = o[2];
    }
  }
  const uint32_t whole[] = {to.sentinel_buffer, 0, 16};
  to.sentinel_group = group(to, to.sentinel_pipeline, to.sentinel_uniform, 16, whole);
  size_t index = 0;
  for (const Instruction& one : program) {
    if (one.opcode != Opcode::kDispatch) continue;
    if (to.dispatches.size() <= index) to.dispatches.emplace_back();
    Loaded::Bound& at = to.dispatches[index++];
    const Operands o = one.operands;
    at.dispatch.pipeline = to.pipelines[o[0]].get();
    at.dispatch.grid = {o[1], o[2], o[3]};
    const bool same = !moved && at.operands.size() == o.size() &&
                      std::equal(o.begin() + 8, o.end(), at.operands.begin() + 8);
    at.operands.assign(o.begin(), o.end());
    if (same) continue;
    at.dispatch.group = group(to, o[0], o[4], o[5], o.subspan(8));
  }
  return scopes.finish("setting a program up");
}

Result<std::vector<std::vector<std::byte>>> RemoteHost::State::read(
    Loaded& of, const std::vector<Operands>& ranges) {
  uint64_t total = 16;
  for (const Operands& range : ranges) total += (range[2] + 15) / 16 * 16;
  SLUICE_ASSIGN(
      const auto staging,
      driver.create_buffer(total, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "readback"));
  SLUICE_TRY(recorder.submit());
  const uint32_t number = ++sentinel * 2654435761u;
  driver.write_buffer(of.uniforms.get(), of.sentinel_uniform, &number, 4);
  recorder.dispatch_one(of.pipelines[of.sentinel_pipeline]->pipeline.get(),
                        of.sentinel_group.get());
  recorder.copy(of.buffers[of.sentinel_buffer].handle.get(), 0, staging.get(), 0, 16);
  uint64_t at = 16;
  for (const Operands& range : ranges) {
    recorder.copy(of.buffers[range[0]].handle.get(), range[1], staging.get(), at, range[2]);
    at += (range[2] + 15) / 16 * 16;
  }
  SLUICE_TRY(recorder.finish());
  SLUICE_ASSIGN(const Bytes bytes, map_for_reading(driver, staging.get(), total));
  uint32_t found = 0;
  std::memcpy(&found, bytes.data(), 4);
  if (found != number) return device_error("The sentinel is not there");
  std::vector<std::vector<std::byte>> out;
  at = 16;
  for (const Operands& range : ranges) {
    const Bytes part = bytes.subspan(at, range[2]);
    out.emplace_back(part.begin(), part.end());
    at += (range[2] + 15) / 16 * 16;
  }
  driver.library->BufferUnmap(staging.get());
  ++counts.readbacks;
  return out;
}

Result<void> RemoteHost::State::execute(Loaded& what, const Core& core, const RemoteHost& host) {
  SLUICE_ASSIGN(const auto program, plan::decode(what.words, what.strings));
  bool begun = false;
  size_t dispatch = 0;
  std::vector<size_t> outputs;
  std::vector<Operands> output_ranges;
  for (const Instruction& one : program) {
    const Operands o = one.operands;
    if (one.opcode == Opcode::kBegin) begun = true;
    if (!begun) continue;
    switch (one.opcode) {
      case Opcode::kFill: {
        SLUICE_TRY(recorder.submit());
        const std::vector<uint32_t> words(o[3] / 4, o[0]);
        driver.write_buffer(what.buffers[o[1]].handle.get(), o[2], words.data(), o[3]);
        break;
      }
      case Opcode::kInput: {
        SLUICE_TRY(recorder.submit());
        SLUICE_ASSIGN(const Bytes bytes, core.input(o[0]));
        if (bytes.size() != o[3]) return internal_error("an input has another size");
        driver.write_buffer(what.buffers[o[1]].handle.get(), o[2], bytes.data(), bytes.size());
        break;
      }
      case Opcode::kDispatch: {
        if (host.before_dispatch) host.before_dispatch(static_cast<int>(dispatch));
        const Loaded::Bound& bound = what.dispatches[dispatch++];
        if (host.skip_dispatches) break;
        SLUICE_TRY(recorder.dispatch(bound.dispatch, 1e3 * o[7]));
        ++counts.dispatches;
        break;
      }
      case Opcode::kIsland: {
        std::vector<Operands> ranges;
        for (uint32_t i = 0; i < o[1]; ++i) ranges.push_back(o.subspan(4 + 4 * i, 3));
        if (!ranges.empty()) {
          SLUICE_ASSIGN(const auto parts, read(what, ranges));
          for (uint32_t i = 0; i < o[1]; ++i) {
            SLUICE_TRY(core.island_input(o[0], o[3 + 4 * i], parts[i]));
          }
        }
        SLUICE_TRY(core.island_run(o[0]));
        ++counts.islands;
        SLUICE_TRY(recorder.submit());
        for (uint32_t i = o[1]; i < o[1] + o[2]; ++i) {
          const Operands four = o.subspan(3 + 4 * i, 4);
          SLUICE_ASSIGN(const Bytes bytes, core.island_output(o[0], four[0]));
          if (bytes.size() != four[3]) return internal_error("an island's output has another size");
          driver.write_buffer(what.buffers[four[1]].handle.get(), four[2], bytes.data(),
                              bytes.size());
        }
        break;
      }
      case Opcode::kOutput:
        outputs.push_back(o[0]);
        output_ranges.push_back(o.subspan(1));
        break;
      default:
        break;
    }
  }
  if (outputs.empty()) return recorder.finish();
  SLUICE_ASSIGN(auto parts, read(what, output_ranges));
  for (size_t i = 0; i < outputs.size(); ++i) {
    SLUICE_TRY(core.output(outputs[i], std::move(parts[i])));
  }
  return {};
}

RemoteHost::RemoteHost(std::shared_ptr<Device> device, session::RemoteSession& session)
    : state_(std::make_unique<State>(std::move(device), session)) {}
RemoteHost::~RemoteHost() = default;
const HostCounts& RemoteHost::counts() const { return state_->counts; }

void RemoteHost::lose_device() {
  State& s = *state_;
  if (s.driver.library->DeviceForceLoss != nullptr) {
    s.driver.library->DeviceForceLoss(s.driver.device.get(), WGPUDeviceLostReason_Unknown,
                                      view("lost by a test"));
  }
}

Result<void> RemoteHost::load() {
  State& s = *state_;
  session::RemoteSession& session = s.session;
  s.programs.clear();
  session::AdapterFacts facts = session::adapter_facts(*s.device);
  if (claim) claim(facts);
  SLUICE_ASSIGN(const auto verdict, session.gpu_adapter(facts));
  if (!verdict.passed) return device_error(verdict.refusal);
  const auto start = std::chrono::steady_clock::now();
  const auto test = [&](int part, int rounds) -> Result<void> {
    Loaded loaded;
    for (int round = 0; round < rounds; ++round) {
      SLUICE_ASSIGN(const Encoded* const code, session.gpu_canary(part));
      Core core;
      core.constant = [&](size_t i) { return session.gpu_canary_data(0, i); };
      core.input = [&](size_t i) { return session.gpu_canary_data(1, i); };
      core.output = [&](size_t i, std::vector<std::byte> bytes) {
        if (tamper_canary) tamper_canary(i, bytes);
        return session.gpu_canary_judge(i, bytes);
      };
      if (round == 0) {
        SLUICE_TRY(s.compile(loaded, *code, *this));
        SLUICE_TRY(s.set_up(loaded, *code, core));
      }
      SLUICE_TRY(s.execute(loaded, core, *this));
    }
    return {};
  };
  for (int part = 0; self_test && part < session::RemoteSession::kCanaryParts; ++part) {
    const int rounds = part == 0 ? session::RemoteSession::kCanaryRounds : 1;
    if (const auto tested = test(part, rounds); !tested) {
      SLUICE_TRY(session.gpu_canary_failed(part, tested.error().text()));
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (self_test) {
    SLUICE_ASSIGN(const auto tested, session.gpu_canary_verdict("at load", seconds));
    if (!tested.passed) return device_error(tested.refusal);
  }
  SLUICE_ASSIGN(const auto prepared, session.gpu_prepare());
  if (prepared.program != 0 && prepared.fresh) {
    SLUICE_TRY(s.compile(s.programs[prepared.program], *prepared.code, *this));
  }
  return {};
}

Result<session::NamedValues> RemoteHost::run() {
  State& s = *state_;
  session::RemoteSession& session = s.session;
  const auto start = std::chrono::steady_clock::now();
  SLUICE_ASSIGN(const auto prepared, session.gpu_prepare());
  std::erase_if(s.programs, [&](const auto& entry) { return entry.first != prepared.program; });
  if (!prepared.complete) return internal_error("a program for a run is not complete");
  Loaded& loaded = s.programs[prepared.program];
  if (prepared.fresh) SLUICE_TRY(s.compile(loaded, *prepared.code, *this));
  if (loaded.pipelines.empty()) return internal_error("a program is not fresh, and not known");
  Core core;
  core.constant = [&](size_t i) { return session.gpu_constant(i); };
  core.input = [&](size_t i) { return session.gpu_input(i); };
  core.island_input = [&](size_t step, size_t i, Bytes bytes) {
    return session.gpu_island_input(step, i, bytes);
  };
  core.island_run = [&](size_t step) { return session.gpu_island_run(step); };
  core.island_output = [&](size_t step, size_t i) { return session.gpu_island_output(step, i); };
  core.output = [&](size_t i, std::vector<std::byte> bytes) {
    if (tamper_output) tamper_output(i, bytes);
    return session.gpu_output(i, bytes);
  };
  if (loaded.generation != prepared.generation) {
    SLUICE_TRY(s.set_up(loaded, *prepared.code, core));
    loaded.generation = prepared.generation;
  }
  ErrorScopes scopes(s.driver);
  const auto done = s.execute(loaded, core, *this);
  if (!done) s.recorder.drop();
  auto verdict = scopes.finish("running a program");
  if (!done) return done.error();
  SLUICE_TRY(std::move(verdict));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::string recheck;
  SLUICE_ASSIGN(const session::NamedValues* results, session.gpu_finish(seconds, &recheck));
  if (results == nullptr) {
    Loaded test;
    SLUICE_ASSIGN(const Encoded* const code, session.gpu_canary(0));
    Core canary;
    canary.input = [&](size_t i) { return session.gpu_canary_data(1, i); };
    canary.output = [&](size_t i, std::vector<std::byte> bytes) {
      if (tamper_canary) tamper_canary(i, bytes);
      return session.gpu_canary_judge(i, bytes);
    };
    const bool skipped = std::exchange(skip_dispatches, false);
    SLUICE_TRY(s.compile(test, *code, *this));
    SLUICE_TRY(s.set_up(test, *code, canary));
    SLUICE_TRY(s.execute(test, canary, *this));
    skip_dispatches = skipped;
    SLUICE_ASSIGN(const auto again, session.gpu_canary_verdict(recheck, 0));
    if (!again.passed) return device_error(again.refusal);
    SLUICE_ASSIGN(results, session.gpu_finish(seconds, &recheck));
    if (results == nullptr) return internal_error("a second self-test is wanted");
  }
  return *results;
}

Result<session::NamedValues> RemoteHost::run_or_fail_over() {
  auto results = run();
  if (results) return results;
  if (results.error().code != ErrorCode::kDevice && results.error().code != ErrorCode::kResource) {
    return results;
  }
  session::RemoteSession& session = state_->session;
  SLUICE_TRY(session.gpu_failover({.stage = cat("run ", session.binding().runs + 1),
                                   .error = results.error().text(),
                                   .device_lost = !state_->device->usable()}));
  SLUICE_ASSIGN(const session::NamedValues* const again, session.run_cpu());
  return *again;
}

}  // namespace sluice::gpu_tests
