// ModelFile: a model's bytes as a host hands them over. Where the host's memory can be given back
// in parts, each large weight comes to own its own bytes of the file, so that they go when the last
// tensor that needs them goes, and with nothing else; the rest goes with the file itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "ir/graph.h"

namespace sluice::session {

struct ModelFile {
  std::shared_ptr<const MappedFile> file;
  // Makes an owner of a stretch of the file's bytes, which then outlive the file. Stretches are
  // disjoint. Empty: the bytes go as a whole, with the file.
  std::function<std::shared_ptr<const void>(std::span<const std::byte>)> part = {};
  // Nobody else looks at the bytes: weights may be moved where their dtype can be read.
  bool movable = false;
  std::string sha256 = {};  // where the host has computed it; else computed here

  ModelFile() = default;
  ModelFile(std::shared_ptr<const MappedFile> whole) : file(std::move(whole)) {}  // NOLINT
};
// External data, by the location that the model gives.
using ModelFiles = std::map<std::string, ModelFile>;

// Afterwards no tensor of the graph keeps `files` alive that have parts: what is large owns its
// part, what is small is copied. Error (resource): no memory for the copies.
Result<void> own_parts(ir::Graph& graph, std::span<const ModelFile* const> files);

}  // namespace sluice::session
