#include "tensor/npy.h"

#include <cstring>

#include "base/text.h"

namespace sluice {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Code {
  std::string_view text;
  DType dtype;
};
constexpr Code kCodes[] = {
    {"f4", DType::kFloat32},   {"f8", DType::kFloat64},     {"f2", DType::kFloat16},
    {"i1", DType::kInt8},      {"u1", DType::kUInt8},       {"i2", DType::kInt16},
    {"u2", DType::kUInt16},    {"i4", DType::kInt32},       {"u4", DType::kUInt32},
    {"i8", DType::kInt64},     {"u8", DType::kUInt64},      {"b1", DType::kBool},
    {"c8", DType::kComplex64}, {"c16", DType::kComplex128},
};

// The text after `'key':` in the header's dictionary.
std::string_view field(std::string_view header, std::string_view key) {
  const size_t at = header.find(cat("'", key, "':"));
  if (at == std::string_view::npos) return {};
  return trim(header.substr(at + key.size() + 3));
}

}  // namespace

Result<Tensor> read_npy(std::span<const std::byte> bytes, const std::string& what) {
  const auto fail = [&](std::string_view why) {
    return invalid_model(cat(what, " is no .npy file: ", why));
  };
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() < 10 || !text.starts_with(kMagic)) return fail("its magic is missing");
  const auto byte_at = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(text[i]));
  };
  const size_t major = byte_at(6);
  size_t header_start = 10;
  size_t header_bytes = byte_at(8) | byte_at(9) << 8;
  if (major >= 2) {
    if (text.size() < 12) return fail("its header is cut off");
    header_bytes |= byte_at(10) << 16 | byte_at(11) << 24;
    header_start = 12;
  }
  if (major < 1 || major > 3) return fail(cat("its version is ", major, " (1 to 3)"));
  if (header_bytes > text.size() - header_start) {
    return fail(
        cat("its header claims ", header_bytes, " bytes (", text.size() - header_start, " left)"));
  }
  const std::string_view header = text.substr(header_start, header_bytes);
  if (field(header, "fortran_order").starts_with("True")) return fail("it is in Fortran order");
  std::string_view descr = field(header, "descr");
  if (descr.size() < 4 || descr[0] != '\'') return fail("its dtype can't be read");
  descr = descr.substr(1, descr.find('\'', 1) - 1);
  if (descr.starts_with(">")) return fail("it is big-endian");
  DType dtype = DType::kUndefined;
  for (const Code& code : kCodes) {
    if (descr.size() > 1 && descr.substr(1) == code.text) dtype = code.dtype;
  }
  if (dtype == DType::kUndefined)
    return fail(cat("its dtype ", quoted(descr), " is not supported"));
  std::string_view dims = field(header, "shape");
  const size_t close = dims.find(')');
  if (!dims.starts_with("(") || close == std::string_view::npos)
    return fail("its shape can't be read");
  Shape shape;
  for (const std::string& part : split(dims.substr(1, close - 1), ',')) {
    if (trim(part).empty()) continue;
    const auto dim = parse_int(trim(part));
    if (!dim || *dim < 0) return fail(cat("its shape has the extent ", quoted(part)));
    if (shape.rank() == kMaxRank) return fail(cat("its rank is too large (limit ", kMaxRank, ")"));
    shape.push_back(*dim);
  }
  const auto elements = shape.checked_elements();
  const auto want = elements ? storage_bytes(dtype, *elements) : std::nullopt;
  const size_t have = text.size() - header_start - header_bytes;
  if (!want || *want != have) {
    return fail(cat("it holds ", have, " bytes for shape ", shape.text()));
  }
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(dtype, shape));
  if (have != 0)
    std::memcpy(out.mutable_bytes().data(), text.data() + header_start + header_bytes, have);
  return out;
}

Result<std::string> write_npy(const Tensor& tensor) {
  if (tensor.dtype() == DType::kString)
    return unsupported("A tensor of strings can't be written as .npy");
  const Code* code = nullptr;
  for (const Code& candidate : kCodes) {
    if (candidate.dtype == tensor.dtype()) code = &candidate;
  }
  if (code == nullptr) {
    SLUICE_ASSIGN(Tensor wide,
                  converted(tensor, is_floating(tensor.dtype()) ? DType::kFloat32 : DType::kInt8));
    return write_npy(wide);
  }
  std::string shape = join(tensor.shape().dims(), ", ");
  if (tensor.rank() == 1) shape += ",";
  const char order = code->text == "b1" || code->text == "i1" || code->text == "u1" ? '|' : '<';
  std::string header =
      cat("{'descr': '", order, code->text, "', 'fortran_order': False, 'shape': (", shape, "), }");
  // Data starts at a multiple of 64 bytes; the header ends with a newline.
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out(kMagic);
  out += '\x01';
  out += '\x00';
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  out += header;
  out.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.size_bytes());
  return out;
}

}  // namespace sluice
