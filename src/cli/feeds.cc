#include "cli/feeds.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/text.h"
#include "image/image.h"
#include "image/resize.h"
#include "tensor/npy.h"

namespace sluice::cli {

Result<Tensor> generated_input(DType dtype, const Shape& shape, uint64_t seed) {
  if (dtype == DType::kString || is_complex(dtype)) {
    return usage_error(
        cat("Random values of type ", dtype_name(dtype), " are not to be had; give a file"));
  }
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(dtype, shape));
  for (int64_t i = 0; i < out.elements(); ++i) {
    const auto h = static_cast<uint32_t>((static_cast<uint64_t>(i) + 1 + seed) * 2654435761ull);
    const double u = static_cast<double>(h >> 8) / 16777216.0;
    switch (dtype) {
      case DType::kFloat16:
        out.set_double(i, std::floor(512 * u) / 256 - 1);
        break;
      case DType::kInt8:
        out.set_double(i, std::floor(256 * u) - 128);
        break;
      case DType::kUInt8:
        out.set_double(i, std::floor(256 * u));
        break;
      case DType::kInt16:
        out.set_double(i, std::floor(65536 * u) - 32768);
        break;
      case DType::kBool:
        out.set_int(i, u >= 0.5 ? 1 : 0);
        break;
      default:
        out.set_double(i, is_floating(dtype) ? 2 * u - 1 : std::floor(2 * u));
        break;
    }
  }
  return out;
}

namespace {

// A picture stretched to the input's height and width, RGB (or luminance for one channel), values
// 0 to 1 for floats and 0 to 255 for uint8, in NCHW or NHWC as the extents say.
Result<Tensor> picture_input(const std::string& path, DType dtype, const Shape& shape) {
  const auto is_channels = [](int64_t n) { return n == 1 || n == 3 || n == 4; };
  const bool nchw = shape.rank() == 4 && is_channels(shape[1]);
  const bool nhwc = shape.rank() == 4 && !nchw && is_channels(shape[3]);
  if ((!nchw && !nhwc) || shape[0] != 1) {
    return usage_error(cat(sluice::quoted(path), " is a picture, and the input's shape ",
                           shape.text(), " is not [1,C,H,W] or [1,H,W,C] with 1, 3 or 4 channels"));
  }
  const int64_t channels = nchw ? shape[1] : shape[3];
  const int64_t height = nchw ? shape[2] : shape[1], width = nchw ? shape[3] : shape[2];
  if (height < 1 || width < 1 || height > 16384 || width > 16384) {
    return usage_error(cat("The input's picture is ", width, " x ", height, " (1 to 16384)"));
  }
  SLUICE_ASSIGN(auto file, MappedFile::open(path));
  auto decoded = image::decode(file->bytes());
  if (!decoded) return std::move(decoded).error().while_doing("reading " + sluice::quoted(path));
  SLUICE_ASSIGN(const image::Planes planes,
                image::resize(decoded->image, static_cast<int>(width), static_cast<int>(height)));
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(dtype, shape));
  const auto sample = [&](int64_t c, size_t at) {
    if (planes.count() <= 1) return c == 3 ? 255.0f : planes.plane(0)[at];
    if (channels == 1) {  // ITU-R BT.601 luma
      return 0.299f * planes.plane(0)[at] + 0.587f * planes.plane(1)[at] +
             0.114f * planes.plane(2)[at];
    }
    return c < planes.count() ? planes.plane(static_cast<int>(c))[at] : 255.0f;
  };
  const double scale = is_floating(dtype) ? 1.0 / 255 : 1.0;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t p = 0; p < height * width; ++p) {
      const double value = sample(c, static_cast<size_t>(p)) * scale;
      const int64_t at = nchw ? c * height * width + p : p * channels + c;
      out.set_double(at, is_floating(dtype) ? value : std::floor(value + 0.5));
    }
  }
  return out;
}

bool names_picture(std::string_view spec) {
  for (const std::string_view ending : {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm"}) {
    if (spec.ends_with(ending)) return true;
  }
  return false;
}

Result<Tensor> make_one(const session::IoInfo& info, std::string_view spec,
                        const session::Options& options) {
  if (spec.ends_with(".npy")) {
    const std::string path(spec);
    SLUICE_ASSIGN(auto file, MappedFile::open(path));
    return read_npy(file->bytes(), path);
  }
  if (!info.type.is_tensor()) {
    return usage_error(cat("Input ", sluice::quoted(info.name), " is ", info.type.text(),
                           ", which can't be made up"));
  }
  Shape shape;
  const auto fixed = options.input_shapes.find(info.name);
  if (fixed != options.input_shapes.end()) {
    shape = fixed->second;
  } else if (!info.type.dims) {
    return usage_error(cat("Input ", sluice::quoted(info.name), " has no known rank; give --shape ",
                           info.name, "=..."));
  } else {
    for (const Dim& dim : *info.type.dims) shape.push_back(dim.is_known() ? dim.value() : 1);
  }
  if (names_picture(spec)) return picture_input(std::string(spec), info.type.dtype, shape);
  if (spec == "zeros") return Tensor::allocate(info.type.dtype, shape);
  if (const auto number = parse_double(spec); number && info.type.dtype != DType::kString) {
    SLUICE_ASSIGN(Tensor filled, Tensor::allocate(info.type.dtype, shape));
    for (int64_t i = 0; i < filled.elements(); ++i) filled.set_double(i, *number);
    return filled;
  }
  const auto seed = spec.starts_with("random:") ? parse_int(spec.substr(7)) : std::nullopt;
  if (!seed) {
    return usage_error(cat("The input ", sluice::quoted(spec),
                           " is none of FILE.npy, FILE.png, random:SEED, zeros, a number"));
  }
  return generated_input(info.type.dtype, shape, static_cast<uint64_t>(*seed));
}

}  // namespace

Result<session::NamedValues> make_feeds(const std::vector<session::IoInfo>& inputs,
                                        const std::vector<std::string>& specs,
                                        const session::Options& options) {
  session::NamedValues feeds;
  const auto find_input = [&](std::string_view name) {
    return std::ranges::find(inputs, name, &session::IoInfo::name);
  };
  for (const std::string& spec : specs) {
    // A single input needs no name; a name may itself hold '='.
    std::string name, rest;
    for (size_t eq = spec.find('='); eq != std::string::npos; eq = spec.find('=', eq + 1)) {
      if (find_input(spec.substr(0, eq)) != inputs.end()) {
        name = spec.substr(0, eq);
        rest = spec.substr(eq + 1);
      }
    }
    if (name.empty() && spec.find('=') == std::string::npos && inputs.size() == 1) {
      name = inputs[0].name;
      rest = spec;
    }
    const auto found = find_input(name);
    if (name.empty() || found == inputs.end()) {
      std::vector<std::string> known;
      for (const auto& info : inputs) known.push_back(sluice::quoted(info.name));
      return usage_error(cat("--input ", sluice::quoted(spec), " names no input of the model (",
                             join(known, ", "), ")"));
    }
    SLUICE_ASSIGN(Tensor tensor, make_one(*found, rest, options));
    feeds.emplace_back(name, Value(std::move(tensor)));
  }
  for (const session::IoInfo& info : inputs) {
    const bool given =
        std::ranges::any_of(feeds, [&](const auto& f) { return f.first == info.name; });
    if (given) continue;
    SLUICE_ASSIGN(Tensor tensor, make_one(info, "random:0", options));
    feeds.emplace_back(info.name, Value(std::move(tensor)));
  }
  return feeds;
}

}  // namespace sluice::cli
