#include "apps/cutout/manifest.h"

#include <cmath>
#include <initializer_list>

#include "apps/cutout/catalogue.h"
#include "base/check.h"
#include "base/json.h"
#include "base/text.h"

namespace sluice::apps::cutout {

namespace {

constexpr int kMaxSide = 8192;  // of a model's input; a matting model beyond that is a mistake

Error bad(std::string_view what) { return invalid_model(cat("The model manifest ", what)); }

Result<void> only_keys(const Json& object, std::string_view where,
                       std::initializer_list<std::string_view> keys) {
  if (!object.is_object()) return bad(cat("has something else than an object as ", where));
  for (const auto& item : object.items()) {
    bool known = false;
    for (const std::string_view key : keys) known = known || item.key() == key;
    if (!known) return bad(cat("has an unknown key ", sluice::quoted(item.key()), " in ", where));
  }
  return {};
}

// Absent and null leave `out` as it is.
Result<void> read(const Json& object, const char* key, std::string& out) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_string()) return bad(cat("has no text under \"", key, "\""));
  out = found->get_ref<const std::string&>();
  return {};
}
Result<void> read(const Json& object, const char* key, bool& out) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_boolean()) return bad(cat("has neither true nor false under \"", key, "\""));
  out = found->get<bool>();
  return {};
}
Result<void> read(const Json& object, const char* key, int& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) {
    return bad(cat("has no whole number under \"", key, "\""));
  }
  const int64_t value = found->get<int64_t>();
  if (value < 1 || value > kMaxSide) {
    return bad(cat("has ", value, " under \"", key, "\" (limits 1 and ", kMaxSide, ")"));
  }
  out = static_cast<int>(value);
  return {};
}
Result<void> read(const Json& object, const char* key, std::array<float, 3>& out) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  const std::string sentence = cat("has no list of three numbers under \"", key, "\"");
  if (!found->is_array() || found->size() != 3) return bad(sentence);
  for (size_t i = 0; i < 3; ++i) {
    if (!(*found)[i].is_number()) return bad(sentence);
    out[i] = (*found)[i].get<float>();
    if (!std::isfinite(out[i])) return bad(sentence);
  }
  return {};
}

template <class T>
Result<void> choose(const Json& object, const char* key, T& out,
                    std::initializer_list<std::pair<std::string_view, T>> choices) {
  std::string text;
  SLUICE_TRY(read(object, key, text));
  if (text.empty()) return {};
  for (const auto& [name, value] : choices) {
    if (text == name) {
      out = value;
      return {};
    }
  }
  std::string known;
  for (const auto& choice : choices) known += cat(known.empty() ? "" : ", ", choice.first);
  return bad(cat("has ", sluice::quoted(text), " under \"", key, "\" (known: ", known, ")"));
}

bool is_sha256(std::string_view text) {
  if (text.size() != 64) return false;
  for (const char c : text) {
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
  }
  return true;
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view json_text) {
  const Json root = parse_json(json_text);
  if (root.is_discarded()) return bad("is not JSON");
  SLUICE_TRY(only_keys(root, "the manifest",
                       {"name", "title", "file", "url", "sha256", "bytes", "licence", "source",
                        "input", "output", "notes"}));
  Manifest out;
  SLUICE_TRY(read(root, "name", out.name));
  SLUICE_TRY(read(root, "title", out.title));
  SLUICE_TRY(read(root, "file", out.file));
  SLUICE_TRY(read(root, "url", out.url));
  SLUICE_TRY(read(root, "licence", out.licence));
  SLUICE_TRY(read(root, "source", out.source));
  SLUICE_TRY(read(root, "notes", out.notes));
  SLUICE_TRY(read(root, "sha256", out.sha256));
  if (!out.sha256.empty() && !is_sha256(out.sha256)) {
    return bad(
        cat("has a \"sha256\" that is not 64 hexadecimal digits: ", sluice::quoted(out.sha256)));
  }
  if (out.file.find('/') != std::string::npos || out.file == ".." || out.file == ".") {
    return bad(cat("has a \"file\" that is not a plain name: ", sluice::quoted(out.file)));
  }
  if (!out.url.empty() && !out.url.starts_with("https://")) {
    return bad(cat("has a \"url\" that does not start with https://: ", sluice::quoted(out.url)));
  }
  if (const auto bytes = root.find("bytes"); bytes != root.end() && !bytes->is_null()) {
    if (!bytes->is_number_unsigned()) return bad("has no size under \"bytes\"");
    out.size_bytes = bytes->get<uint64_t>();
  }

  const auto input = root.find("input");
  if (input == root.end()) return bad("lacks \"input\"");
  SLUICE_TRY(only_keys(*input, "\"input\"",
                       {"name", "layout", "width", "height", "scale", "mean", "std", "colours",
                        "resize", "filter", "antialias"}));
  SLUICE_TRY(read(*input, "name", out.input.name));
  SLUICE_TRY(choose<Layout>(*input, "layout", out.input.layout,
                            {{"NCHW", Layout::kNchw}, {"NHWC", Layout::kNhwc}}));
  SLUICE_TRY(read(*input, "width", out.input.width));
  SLUICE_TRY(read(*input, "height", out.input.height));
  SLUICE_TRY(
      choose<float>(*input, "scale", out.input.scale, {{"1/255", 1.0f / 255.0f}, {"1", 1.0f}}));
  SLUICE_TRY(read(*input, "mean", out.input.mean));
  SLUICE_TRY(read(*input, "std", out.input.std));
  for (const float value : out.input.std) {
    if (value == 0.0f) return bad("has a zero under \"std\", by which the input would be divided");
  }
  SLUICE_TRY(choose<bool>(*input, "colours", out.input.bgr, {{"RGB", false}, {"BGR", true}}));
  SLUICE_TRY(choose<ResizePolicy>(
      *input, "resize", out.input.resize,
      {{"stretch", ResizePolicy::kStretch}, {"letterbox", ResizePolicy::kLetterbox}}));
  SLUICE_TRY(choose<image::Filter>(*input, "filter", out.input.filter.filter,
                                   {{"box", image::Filter::kBox},
                                    {"triangle", image::Filter::kTriangle},
                                    {"lanczos3", image::Filter::kLanczos3}}));
  SLUICE_TRY(read(*input, "antialias", out.input.filter.antialias));

  if (const auto output = root.find("output"); output != root.end()) {
    SLUICE_TRY(only_keys(*output, "\"output\"", {"name", "meaning", "min_max"}));
    SLUICE_TRY(read(*output, "name", out.output.name));
    SLUICE_TRY(choose<Meaning>(*output, "meaning", out.output.meaning,
                               {{"alpha", Meaning::kAlpha},
                                {"logits", Meaning::kLogits},
                                {"two-class softmax", Meaning::kTwoClassSoftmax}}));
    SLUICE_TRY(read(*output, "min_max", out.output.min_max));
  }
  return out;
}

const std::vector<Manifest>& catalogue() {
  static const std::vector<Manifest> all = [] {
    std::vector<Manifest> out;
    for (const std::string_view text : catalogue_texts()) {
      auto manifest = parse_manifest(text);
      SLUICE_CHECK(manifest.ok());  // a test reads them all
      out.push_back(std::move(manifest).value());
    }
    return out;
  }();
  return all;
}

const Manifest* find_in_catalogue(std::string_view name) {
  if (name == "fast") name = "selfie";
  if (name == "best") name = "isnet";
  for (const Manifest& manifest : catalogue()) {
    if (manifest.name == name) return &manifest;
  }
  return nullptr;
}

}  // namespace sluice::apps::cutout
