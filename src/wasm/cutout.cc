// The cutout's pixels: from a decoded picture to the model's input, and from the model's output to
// alpha and foreground colours at the picture's size. The run in between is the host's affair.
#include "apps/cutout/cutout.h"

#include <cstring>
#include <utility>

#include "apps/cutout/manifest.h"
#include "apps/cutout/matte.h"
#include "apps/cutout/refine.h"
#include "base/text.h"
#include "image/image.h"
#include "wasm/abi.h"
#include "wasm/state.h"

namespace sluice::wasm {

using namespace apps::cutout;
using image::Image;

struct Cutout {
  Manifest manifest;
  size_t output = 0;  // index among the session's outputs
  Image picture;      // RGB, or RGBA where some pixel is not opaque
  Placement placement;
  image::Planes guide;
  Image alpha;       // 1 channel
  Image foreground;  // RGBA, alpha 255
  double refine_seconds = 0;
};

void CutoutDeleter::operator()(Cutout* cutout) const { delete cutout; }

namespace {

NamedTypes types_of(const std::vector<session::IoInfo>& infos) {
  NamedTypes out;
  for (const session::IoInfo& info : infos) out.emplace_back(info.name, info.type);
  return out;
}

Result<size_t> find_value(const std::vector<session::IoInfo>& infos, const std::string& name,
                          std::string_view what) {
  if (infos.empty()) return invalid_model(cat("The model has no ", what));
  if (name.empty()) return size_t{0};
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].name == name) return i;
  }
  return usage_error(
      cat("The model has no ", what, " ", sluice::quoted(name), ", which the manifest names"));
}

// Photographs come as RGBA with nothing transparent: then they are RGB, which saves a quarter.
Result<Image> picture_of(const uint8_t* rgba, uint32_t width, uint32_t height) {
  const uint64_t pixels = uint64_t{width} * height;
  if (width == 0 || height == 0 || pixels > image::kDefaultMaxPixels) {
    return resource_error(cat("The picture is ", width, " x ", height, " pixels (limit ",
                              image::kDefaultMaxPixels, ")"));
  }
  bool opaque = true;
  for (uint64_t i = 0; opaque && i < pixels; ++i) opaque = rgba[4 * i + 3] == 255;
  const int channels = opaque ? 3 : 4;
  SLUICE_ASSIGN(Image out,
                Image::allocate(static_cast<int>(width), static_cast<int>(height), channels));
  uint8_t* to = out.pixels().data();
  if (!opaque) {
    std::memcpy(to, rgba, static_cast<size_t>(pixels * 4));
    return out;
  }
  for (uint64_t i = 0; i < pixels; ++i, to += 3, rgba += 4) {
    to[0] = rgba[0];
    to[1] = rgba[1];
    to[2] = rgba[2];
  }
  return out;
}

Result<Json> prepare_session(Session& session, std::string_view manifest_text,
                             std::shared_ptr<const void> pixels, uint32_t width, uint32_t height) {
  session::RemoteSession& remote = *session.remote;
  session.cutout = nullptr;  // its memory first, and the last picture's
  remote.clear_feeds();
  auto made = std::unique_ptr<Cutout, CutoutDeleter>(new Cutout());
  std::string note;
  const Json json = parse_json(manifest_text);
  if (json.is_object() && json.value("guess", false)) {
    SLUICE_ASSIGN(Guess guess,
                  guess_manifest(types_of(remote.inputs()), types_of(remote.outputs())));
    made->manifest = std::move(guess.manifest);
    note = std::move(guess.sentence);
  } else {
    SLUICE_ASSIGN(made->manifest, parse_manifest(manifest_text));
  }
  const Manifest& manifest = made->manifest;
  SLUICE_ASSIGN(const size_t input, find_value(remote.inputs(), manifest.input.name, "input"));
  SLUICE_ASSIGN(made->output, find_value(remote.outputs(), manifest.output.name, "output"));
  SLUICE_ASSIGN(made->picture,
                picture_of(static_cast<const uint8_t*>(pixels.get()), width, height));
  pixels = nullptr;
  SLUICE_ASSIGN(Prepared prepared, prepare(made->picture, manifest.input));
  made->placement = prepared.placement;
  made->guide = std::move(prepared.guide);
  const Type& type = remote.inputs()[input].type;
  Tensor fed = std::move(prepared.input);
  if (type.is_tensor() && type.dtype != DType::kUndefined && type.dtype != fed.dtype()) {
    SLUICE_ASSIGN(fed, converted(fed, type.dtype));
  }
  SLUICE_TRY(remote.set_feed(input, Value(std::move(fed))));
  session.cutout = std::move(made);
  return Json{{"width", manifest.input.width}, {"height", manifest.input.height}, {"note", note}};
}

// Foreground colours of `alpha`, as RGBA.
Result<void> recolor(Cutout& cutout, bool clean_edges) {
  Image colors;
  if (clean_edges) {
    SLUICE_ASSIGN(colors, foreground_colors(cutout.picture, cutout.alpha));
  } else {
    SLUICE_ASSIGN(colors, with_channels(cutout.picture, 3));
  }
  SLUICE_ASSIGN(cutout.foreground, with_channels(colors, 4));
  return {};
}

Json result_json(const Cutout& cutout) {
  return {{"alpha", address_of(cutout.alpha.pixels().data())},
          {"foreground", address_of(cutout.foreground.pixels().data())},
          {"width", cutout.picture.width()},
          {"height", cutout.picture.height()},
          {"refineSeconds", cutout.refine_seconds}};
}

Result<Cutout*> prepared_cutout(Session& session) {
  if (session.cutout != nullptr) return session.cutout.get();
  return usage_error("No picture has been prepared for this session");
}

Result<Json> finish(Session& session, std::string_view options_text) {
  SLUICE_ASSIGN(const Json options,
                parse_object(options_text.data(), static_cast<uint32_t>(options_text.size()),
                             "cutout's options"));
  SLUICE_ASSIGN(Cutout * cutout, prepared_cutout(session));
  const session::NamedValues& results = session.remote->results();
  if (cutout->output >= results.size() || !results[cutout->output].second.is_tensor()) {
    return usage_error("The session has not been run since the picture was prepared");
  }
  const double start = now_seconds();
  const InputSpec& input = cutout->manifest.input;
  SLUICE_ASSIGN(const image::Planes matte,
                matte_of(results[cutout->output].second.tensor(), cutout->manifest.output,
                         input.layout, cutout->placement, input.width, input.height));
  SLUICE_ASSIGN(cutout->alpha,
                alpha_of(matte, cutout->guide, cutout->picture, options.value("refine", true), {}));
  SLUICE_TRY(recolor(*cutout, options.value("cleanEdges", true)));
  cutout->refine_seconds = now_seconds() - start;
  return result_json(*cutout);
}

Result<Json> recolored(Session& session, std::shared_ptr<const void> alpha, uint32_t bytes) {
  SLUICE_ASSIGN(Cutout * cutout, prepared_cutout(session));
  const Image& picture = cutout->picture;
  const uint64_t pixels =
      static_cast<uint64_t>(picture.width()) * static_cast<uint64_t>(picture.height());
  if (bytes != pixels) {
    return usage_error(
        cat("The alpha has ", bytes, " bytes (", pixels, ", one a pixel, are expected)"));
  }
  const double start = now_seconds();
  SLUICE_ASSIGN(cutout->alpha, Image::allocate(picture.width(), picture.height(), 1));
  std::memcpy(cutout->alpha.pixels().data(), alpha.get(), bytes);
  SLUICE_TRY(recolor(*cutout, true));
  cutout->refine_seconds = now_seconds() - start;
  return result_json(*cutout);
}

}  // namespace
}  // namespace sluice::wasm

using namespace sluice;
using namespace sluice::wasm;

int32_t sluice_cutout_prepare(int32_t handle, const char* manifest, uint32_t manifest_bytes,
                              void* pixels, uint32_t width, uint32_t height) {
  std::shared_ptr<const void> owner = owned(pixels);
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto json =
      prepare_session(*session, text_of(manifest, manifest_bytes), std::move(owner), width, height);
  return json ? reply(*json) : fail(json.error());
}

int32_t sluice_cutout_finish(int32_t handle, const char* options, uint32_t options_bytes) {
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto json = finish(*session, text_of(options, options_bytes));
  return json ? reply(*json) : fail(json.error());
}

int32_t sluice_cutout_recolor(int32_t handle, void* alpha, uint32_t bytes) {
  std::shared_ptr<const void> owner = owned(alpha);
  Session* session = find(handle);
  if (session == nullptr) return kNoSession;
  const auto json = recolored(*session, std::move(owner), bytes);
  return json ? reply(*json) : fail(json.error());
}
