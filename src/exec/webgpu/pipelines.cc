#include "exec/webgpu/pipelines.h"

#include <map>

#include "base/text.h"

namespace sluice::exec::webgpu {

namespace {

struct Outcome {
  bool done = false;
  std::string error;
  Handle<WGPUComputePipeline> pipeline;
  Handle<WGPUComputePipeline>::Release release = nullptr;
};

// Makes everything but the pipeline itself, whose compilation it starts.
struct Started {
  Handle<WGPUShaderModule> module;
  Handle<WGPUPipelineLayout> layout;
  std::shared_ptr<Outcome> outcome;
  std::shared_ptr<CompiledPipeline> result;
};

Handle<WGPUShaderModule> make_module(Driver& driver, const PipelineRequest& request) {
  WGPUShaderSourceWGSL source = WGPU_SHADER_SOURCE_WGSL_INIT;
  source.code = view(request.wgsl);
  WGPUShaderModuleDescriptor descriptor = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
  descriptor.nextInChain = &source.chain;
  descriptor.label = view(request.label);
  return {driver.library->DeviceCreateShaderModule(driver.device.get(), &descriptor),
          driver.library->ShaderModuleRelease};
}

// An explicit layout: a binding which the shader declares and, under these knobs, does not use
// would be missing from the automatic one.
Handle<WGPUBindGroupLayout> make_layout(Driver& driver, const PipelineRequest& request) {
  std::vector<WGPUBindGroupLayoutEntry> entries;
  const auto add = [&](uint32_t binding, WGPUBufferBindingType type) {
    // Zero bytes are "not used" for the kinds of binding that this is not.
    WGPUBindGroupLayoutEntry entry = {};
    entry.binding = binding;
    entry.visibility = WGPUShaderStage_Compute;
    entry.buffer.type = type;
    entries.push_back(entry);
  };
  if (request.signature.uniform) add(0, WGPUBufferBindingType_Uniform);
  for (size_t i = 0; i < request.signature.writable.size(); ++i) {
    add(static_cast<uint32_t>(1 + i), request.signature.writable[i]
                                          ? WGPUBufferBindingType_Storage
                                          : WGPUBufferBindingType_ReadOnlyStorage);
  }
  WGPUBindGroupLayoutDescriptor descriptor = WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT;
  descriptor.label = view(request.label);
  descriptor.entryCount = entries.size();
  descriptor.entries = entries.data();
  return {driver.library->DeviceCreateBindGroupLayout(driver.device.get(), &descriptor),
          driver.library->BindGroupLayoutRelease};
}

void start_compiling(Driver& driver, const PipelineRequest& request, Started& started) {
  const Library& library = *driver.library;
  WGPUBindGroupLayout group = started.result->layout.get();
  WGPUPipelineLayoutDescriptor layout = WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT;
  layout.bindGroupLayoutCount = 1;
  layout.bindGroupLayouts = &group;
  started.layout = {library.DeviceCreatePipelineLayout(driver.device.get(), &layout),
                    library.PipelineLayoutRelease};
  started.outcome = std::make_shared<Outcome>();
  started.outcome->release = library.ComputePipelineRelease;
  WGPUComputePipelineDescriptor descriptor = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
  descriptor.label = view(request.label);
  descriptor.layout = started.layout.get();
  descriptor.compute.module = started.module.get();
  descriptor.compute.entryPoint = view("main");
  WGPUCreateComputePipelineAsyncCallbackInfo callback =
      WGPU_CREATE_COMPUTE_PIPELINE_ASYNC_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(started.outcome);
  callback.callback = [](WGPUCreatePipelineAsyncStatus status, WGPUComputePipeline pipeline,
                         WGPUStringView message, void* held, void*) {
    const auto state = take<Outcome>(held);
    state->done = true;
    if (pipeline != nullptr) state->pipeline = {pipeline, state->release};
    if (status != WGPUCreatePipelineAsyncStatus_Success) {
      state->error = cat("status ", static_cast<int>(status), ": ", text_of(message));
    }
  };
  library.DeviceCreateComputePipelineAsync(driver.device.get(), &descriptor, callback);
}

}  // namespace

namespace {
// Text and signature in one.
std::string key_of(const PipelineRequest& request) {
  std::string key = request.signature.uniform ? "u" : "-";
  for (const bool writable : request.signature.writable) key += writable ? 'w' : 'r';
  key += '\n';
  key += request.wgsl;
  return key;
}
}  // namespace

Signature signature_of(const plan::Dispatch& dispatch) {
  Signature out;
  out.uniform = !dispatch.params.empty();
  for (const plan::BoundRange& bound : dispatch.bindings) out.writable.push_back(bound.writable);
  return out;
}

Result<std::vector<std::shared_ptr<CompiledPipeline>>> compile_pipelines(
    Driver& driver, std::span<const PipelineRequest> requests, FaultInjector* faults) {
  if (driver.pipelines == nullptr) driver.pipelines = std::make_shared<PipelineCache>();
  auto& cache = driver.pipelines->compiled;
  if (cache.size() > PipelineCache::kMostPipelines) cache.clear();
  std::vector<std::string> keys;
  std::map<std::string_view, size_t> known;
  std::vector<Started> started;
  std::vector<size_t> start_of;  // of each request; SIZE_MAX: in the cache already
  std::vector<const PipelineRequest*> sources;
  for (const PipelineRequest& request : requests) keys.push_back(key_of(request));
  {
    ErrorScopes scopes(driver);
    SLUICE_TRY(driver.fault_point(Stage::kShader, faults));
    for (size_t r = 0; r < requests.size(); ++r) {
      const PipelineRequest& request = requests[r];
      if (cache.contains(keys[r])) {
        start_of.push_back(SIZE_MAX);
        continue;
      }
      const auto [at, added] = known.try_emplace(keys[r], started.size());
      start_of.push_back(at->second);
      if (!added) continue;
      Started fresh;
      fresh.module = make_module(driver, request);
      fresh.result = std::make_shared<CompiledPipeline>();
      fresh.result->signature = request.signature;
      fresh.result->layout = make_layout(driver, request);
      if (!fresh.module || !fresh.result->layout) {
        return device_error(cat("The device makes no shader module for ", request.label));
      }
      started.push_back(std::move(fresh));
      sources.push_back(&request);
    }
    SLUICE_TRY(scopes.finish("compiling the plan's shaders"));
  }
  {
    ErrorScopes scopes(driver);
    SLUICE_TRY(driver.fault_point(Stage::kPipeline, faults));
    for (size_t i = 0; i < started.size(); ++i) start_compiling(driver, *sources[i], started[i]);
    // The deadline is for one pipeline: every one that comes starts it afresh.
    size_t ready = 0;
    while (ready < started.size()) {
      const size_t before = ready;
      SLUICE_TRY(driver.await(
          [&] {
            ready = 0;
            for (const Started& one : started) ready += one.outcome->done ? 1 : 0;
            return ready > before;
          },
          "pipelines"));
    }
    for (size_t i = 0; i < started.size(); ++i) {
      Outcome& outcome = *started[i].outcome;
      if (!outcome.error.empty() || !outcome.pipeline) {
        SLUICE_TRY(driver.check_alive("compiling pipelines"));
        return device_error(
            cat("The device makes no pipeline of ", sources[i]->label, " (", outcome.error, ")"));
      }
      started[i].result->pipeline = std::move(outcome.pipeline);
    }
    SLUICE_TRY(scopes.finish("making pipelines"));
  }
  std::vector<std::shared_ptr<CompiledPipeline>> out;
  for (size_t r = 0; r < requests.size(); ++r) {
    if (start_of[r] != SIZE_MAX) cache[keys[r]] = started[start_of[r]].result;
    out.push_back(cache.at(keys[r]));
  }
  return out;
}

Handle<WGPUBindGroup> make_bind_group(Driver& driver, const CompiledPipeline& pipeline,
                                      std::span<const BoundBuffer> bound, std::string_view label) {
  std::vector<WGPUBindGroupEntry> entries;
  for (const BoundBuffer& one : bound) {
    WGPUBindGroupEntry& entry = entries.emplace_back();
    entry = WGPU_BIND_GROUP_ENTRY_INIT;
    entry.binding = one.binding;
    entry.buffer = one.buffer;
    entry.offset = one.offset_bytes;
    entry.size = one.size_bytes;
  }
  WGPUBindGroupDescriptor descriptor = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
  descriptor.label = view(label);
  descriptor.layout = pipeline.layout.get();
  descriptor.entryCount = entries.size();
  descriptor.entries = entries.data();
  return {driver.library->DeviceCreateBindGroup(driver.device.get(), &descriptor),
          driver.library->BindGroupRelease};
}

}  // namespace sluice::exec::webgpu
