#include "base/json.h"

#include "apps/inspect/text.h"
#include "base/text.h"

namespace sluice::apps::inspect {

namespace {

// FLOPs are whole numbers as long as a double holds them exactly.
Json number(double value) {
  if (value >= 0 && value < 9e15) return static_cast<uint64_t>(value + 0.5);
  return value;
}

Json operators(const std::vector<OperatorRow>& rows) {
  Json out = Json::array();
  for (const OperatorRow& row : rows) {
    Json one = {{"name", row.name},
                {"count", row.count},
                {"flops", number(row.flops)},
                {"known", row.known}};
    if (!row.note.empty()) one["note"] = row.note;
    out.push_back(std::move(one));
  }
  return out;
}

Json components(const std::vector<Component>& list) {
  Json out = Json::array();
  for (const Component& one : list) {
    Json counts = Json::object();
    for (const auto& [name, count] : one.operators) counts[name] = count;
    Json entry = {{"name", one.name},           {"repeats", one.repeats},
                  {"nodes", one.nodes},         {"parameters", one.parameters},
                  {"flops", number(one.flops)}, {"operators", std::move(counts)}};
    if (!one.children.empty()) entry["children"] = components(one.children);
    out.push_back(std::move(entry));
  }
  return out;
}

Json ports(const std::vector<Io>& list) {
  Json out = Json::array();
  for (const Io& one : list) {
    Json entry = {{"name", one.name}, {"type", one.type}};
    if (!one.hint.empty()) entry["hint"] = one.hint;
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace

std::string to_json(const Report& report) {
  Json root = Json::object();
  root["file"] = report.file;
  root["format"] = report.format;
  root["bytes"] = report.file_bytes;
  root["sha256"] = report.sha256;
  Json metadata = Json::array();
  for (const auto& [key, value] : report.metadata)
    metadata.push_back({{"key", key}, {"value", value}});
  root["metadata"] = std::move(metadata);
  root["imported"] = report.imported;
  root["notes"] = report.notes;
  root["parameters"] = report.parameters;
  root["flops"] = number(report.flops);
  root["nodes_without_cost"] = report.nodes_without_cost;
  root["focus"] = report.focus;
  root["inputs"] = ports(report.inputs);
  root["outputs"] = ports(report.outputs);
  root["operators"] = operators(report.file_operators);
  root["graph_operators"] = operators(report.graph_operators);
  root["quantization"] = report.quantization;
  Json weights = Json::array();
  for (const WeightRow& row : report.weights) {
    Json one = {{"name", row.name},        {"dtype", row.dtype},       {"shape", row.shape},
                {"bytes", row.size_bytes}, {"elements", row.elements}, {"readers", row.readers}};
    if (!row.used_by.empty()) one["used_by"] = row.used_by;
    if (!row.quantization.empty()) one["quantization"] = row.quantization;
    weights.push_back(std::move(one));
  }
  root["weights"] = std::move(weights);
  Json by_dtype = Json::object();
  for (const auto& [dtype, bytes] : report.weight_bytes_by_dtype) by_dtype[dtype] = bytes;
  root["weight_bytes_by_dtype"] = std::move(by_dtype);
  Json tied = Json::array();
  for (const TiedWeights& one : report.tied) {
    tied.push_back({{"names", one.names}, {"bytes", one.size_bytes}, {"readers", one.readers}});
  }
  root["tied_weights"] = std::move(tied);
  Json stages = Json::array();
  for (const Stage& one : report.stages) {
    stages.push_back({{"name", one.name},
                      {"nodes", one.nodes},
                      {"parameters", one.parameters},
                      {"flops", number(one.flops)},
                      {"operators", one.operators},
                      {"output", one.output},
                      {"from", one.from}});
  }
  root["data_flow"] = std::move(stages);
  root["components"] = components(report.components);
  Json repetitions = Json::array();
  for (const Repetition& one : report.repetitions) {
    repetitions.push_back({{"first_node", one.first_node},
                           {"period", one.period},
                           {"times", one.times},
                           {"operators", one.operators}});
  }
  root["repetitions"] = std::move(repetitions);
  root["memory"] = {{"weight_bytes", report.memory.weight_bytes},
                    {"activation_peak_bytes", report.memory.activation_peak_bytes},
                    {"activation_peak_node", report.memory.peak_node},
                    {"activation_sum_bytes", report.memory.activation_sum_bytes},
                    {"values_of_unknown_size", report.memory.unknown_values},
                    {"assumption", report.memory.assumption}};
  const LimitsFit& fit = report.fit;
  Json over = Json::array();
  for (const LimitFinding& one : fit.over)
    over.push_back({{"node", one.node}, {"sentence", one.sentence}});
  root["limits"] = {{"source", fit.limits.source},
                    {"maxStorageBuffersPerShaderStage", fit.limits.storage_buffers_per_stage},
                    {"maxStorageBufferBindingSize", fit.limits.storage_binding_bytes},
                    {"maxBufferSize", fit.limits.buffer_bytes},
                    {"maxComputeWorkgroupsPerDimension", fit.limits.workgroups_per_dimension},
                    {"most_tensors_bound", fit.most_buffers},
                    {"most_tensors_bound_by", fit.most_buffers_node},
                    {"largest_tensor_bytes", fit.largest_tensor_bytes},
                    {"largest_tensor", fit.largest_tensor},
                    {"nodes_with_wide_grids", fit.wide_grids},
                    {"over", std::move(over)}};
  // Names in a model need not be UTF-8; what is not is replaced.
  return json_text(root, 2) + "\n";
}

}  // namespace sluice::apps::inspect
