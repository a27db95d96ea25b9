// Manifest: what the cutout needs to know about a matting model beyond its graph: where it comes
// from, under which licence, how a picture becomes its input and what its output means. Manifests
// are the files models/*.json, compiled in as the catalogue; a user's own model may have one beside
// it (MODEL.json). Hostile input like any file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/resize.h"

namespace sluice::apps::cutout {

enum class Layout : uint8_t { kNchw, kNhwc };
enum class ResizePolicy : uint8_t { kStretch, kLetterbox };
enum class Meaning : uint8_t {
  kAlpha,            // 0 background to 1 foreground
  kLogits,           // alpha = 1 / (1 + exp(-x))
  kTwoClassSoftmax,  // two channels: background, foreground
};

// Input element = (pixel * scale - mean[c]) / std[c], with pixels from 0 to 255.
struct InputSpec {
  std::string name;  // "" is the model's only input
  Layout layout = Layout::kNchw;
  int width = 0, height = 0;
  float scale = 1.0f / 255.0f;
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> std = {1, 1, 1};
  bool bgr = false;
  ResizePolicy resize = ResizePolicy::kStretch;
  image::ResizeOptions filter = {};
};

struct OutputSpec {
  std::string name;  // "" is the model's first output
  Meaning meaning = Meaning::kAlpha;
  bool min_max = false;  // stretch the result to 0..1 by its own extremes
};

struct Manifest {
  std::string name, title, file, url, licence, source, notes;
  std::string sha256;                  // lower-case hexadecimal; "" when not known
  std::optional<uint64_t> size_bytes;  // of the file
  InputSpec input;
  OutputSpec output;
};

// Unknown keys are refused, so that a typing error does not silently change a result.
Result<Manifest> parse_manifest(std::string_view json_text);

// The compiled-in manifests, in the order of their file names.
const std::vector<Manifest>& catalogue();
// By name; "fast" and "best" are aliases. Null when there is none.
const Manifest* find_in_catalogue(std::string_view name);

}  // namespace sluice::apps::cutout
