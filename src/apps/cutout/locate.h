// Where the weights of a matting model are: a file the user names, a folder of models, or a
// download into the user's cache. A catalogue model is used only when its SHA-256 is known and
// right.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/cutout/manifest.h"
#include "base/result.h"

namespace sluice::apps::cutout {

struct LocateOptions {
  // Folders searched in order for a catalogue model's file.
  std::vector<std::string> folders;
  std::string cache_folder;  // downloads go here; "" forbids them
  // Called before a download starts.
  std::function<void(const Manifest& manifest, const std::string& target)> on_download = {};
};

// $SLUICE_MODELS, `models` beside the program, build/models, and the user's cache
// ($XDG_CACHE_HOME/sluice or ~/.cache/sluice).
LocateOptions default_locations();

struct Located {
  Manifest manifest;
  bool has_manifest = false;  // false: a bare file whose meaning must be guessed from its graph
  std::string path;
};

// `choice` is "fast", "best", a catalogue name, or a file. A file's manifest is FILE.json or FILE
// with its extension replaced by .json, else that of a catalogue model with the same file name and
// hash.
Result<Located> locate(const std::string& choice, const LocateOptions& options);

// Fetches `url` (https only) with curl into `target`: resumable through `target`.part, checked
// against size and hash, then renamed. Nothing else ever appears under `target`.
Result<void> download(const std::string& url, const std::string& target, const std::string& sha256,
                      std::optional<uint64_t> size_bytes);

// Lower-case hexadecimal SHA-256 of a file.
Result<std::string> file_sha256(const std::string& path);

}  // namespace sluice::apps::cutout
