#include "format/tflite/flexbuffer.h"

#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/text.h"

namespace sluice::format::tflite {
namespace {

enum Type : int {
  kNull = 0,
  kInt = 1,
  kUInt = 2,
  kFloat = 3,
  kKey = 4,
  kString = 5,
  kIndirectInt = 6,
  kIndirectUInt = 7,
  kIndirectFloat = 8,
  kMap = 9,
  kVector = 10,
  kVectorInt = 11,
  kVectorUInt = 12,
  kVectorFloat = 13,
  kVectorKey = 14,
  kVectorStringOld = 15,
  kVectorInt2 = 16,  // 16..24: fixed vectors of 2, 3 and 4 int, uint, float
  kVectorFloat4 = 24,
  kBlob = 25,
  kBool = 26,
  kVectorBool = 36,
};

// A value: where it stands, how wide it is there, and its packed type (type << 2 | child width).
struct Ref {
  uint64_t at = 0;
  uint64_t width = 1;  // bytes of the value in its parent
  int type = kNull;
  uint64_t child_width = 1;
};

class Decoder {
 public:
  Decoder(std::span<const std::byte> bytes, const FlexbufferLimits& limits)
      : bytes_(bytes), limits_(limits) {}

  Result<AttrMap> run() {
    AttrMap out;
    if (bytes_.empty()) return out;
    if (bytes_.size() < 3) return fail(0, cat("has ", bytes_.size(), " bytes (at least 3)"));
    const uint64_t end = bytes_.size();
    const uint64_t width = static_cast<uint64_t>(bytes_[end - 1]);
    if (width != 1 && width != 2 && width != 4 && width != 8) {
      return fail(end - 1, cat("has a root of ", width, " bytes (1, 2, 4 or 8)"));
    }
    if (end - 2 < width) return fail(end - 1, "is shorter than its root");
    const Ref root = ref(end - 2 - width, width, static_cast<uint8_t>(bytes_[end - 2]));
    SLUICE_TRY(store(out, "", root, 0));
    return out;
  }

 private:
  static Ref ref(uint64_t at, uint64_t width, uint8_t packed) {
    return {at, width, packed >> 2, uint64_t{1} << (packed & 3)};
  }

  bool inside(uint64_t at, uint64_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at;
  }

  uint64_t load_uint(uint64_t at, uint64_t width) const {
    uint64_t out = 0;
    if (inside(at, width)) std::memcpy(&out, bytes_.data() + at, static_cast<size_t>(width));
    return out;
  }
  int64_t load_int(uint64_t at, uint64_t width) const {
    const int shift = static_cast<int>(64 - 8 * width);
    return static_cast<int64_t>(load_uint(at, width) << shift) >> shift;
  }
  Result<float> load_float(uint64_t at, uint64_t width) const {
    const uint64_t bits = load_uint(at, width);
    switch (width) {
      case 2:
        return half_to_float(static_cast<uint16_t>(bits));
      case 4:
        return std::bit_cast<float>(static_cast<uint32_t>(bits));
      case 8:
        return static_cast<float>(std::bit_cast<double>(bits));
      default:
        return fail(at, "has a number of 1 byte that is said to be a float");
    }
  }

  // Offsets count backwards from where they are stored.
  Result<uint64_t> follow(const Ref& value) const {
    if (!inside(value.at, value.width)) return fail(value.at, "ends inside an offset");
    const uint64_t offset = load_uint(value.at, value.width);
    if (offset == 0 || offset > value.at)
      return fail(value.at, cat("has an offset ", offset, " that leaves the buffer"));
    return value.at - offset;
  }

  // Number of elements stored `width` bytes before `at`, with all of them inside.
  Result<uint64_t> length_before(uint64_t at, uint64_t width, uint64_t elem_bytes) const {
    if (at < width) return fail(at, "has a vector without room for its length");
    const uint64_t length = load_uint(at - width, width);
    if (length > bytes_.size() || !inside(at, length * elem_bytes)) {
      return fail(at, cat("has a vector of ", length, " elements that does not fit (",
                          bytes_.size(), " bytes)"));
    }
    return length;
  }

  Result<std::string> key(uint64_t at) const {
    std::string out;
    while (inside(at, 1) && bytes_[static_cast<size_t>(at)] != std::byte{0}) {
      out += static_cast<char>(bytes_[static_cast<size_t>(at++)]);
    }
    if (!inside(at, 1)) return fail(at, "has a key without an end");
    return out;
  }

  Result<void> count(uint64_t more) {
    values_ += more;
    if (values_ > limits_.max_values) {
      return invalid_model(
          cat("A flexbuffer has ", values_, " values (limit ", limits_.max_values, ")."));
    }
    return {};
  }

  Result<void> store(AttrMap& out, const std::string& name, const Ref& value, int depth) {
    if (depth > limits_.max_depth) {
      return invalid_model(
          cat("A flexbuffer is nested ", depth, " deep (limit ", limits_.max_depth, ")."));
    }
    SLUICE_TRY(count(1));
    if (!inside(value.at, value.width)) return fail(value.at, "ends inside a value");
    const std::string label = name.empty() ? "value" : name;
    switch (value.type) {
      case kNull:
        return {};
      case kInt:
        out.set(label, load_int(value.at, value.width));
        return {};
      case kUInt:
      case kBool:
        out.set(label, static_cast<int64_t>(load_uint(value.at, value.width)));
        return {};
      case kFloat: {
        SLUICE_ASSIGN(const float number, load_float(value.at, value.width));
        out.set(label, number);
        return {};
      }
      case kIndirectInt:
      case kIndirectUInt:
      case kIndirectFloat: {
        SLUICE_ASSIGN(const uint64_t at, follow(value));
        if (!inside(at, value.child_width)) return fail(at, "ends inside a number");
        if (value.type == kIndirectFloat) {
          SLUICE_ASSIGN(const float number, load_float(at, value.child_width));
          out.set(label, number);
        } else {
          out.set(label, value.type == kIndirectInt
                             ? load_int(at, value.child_width)
                             : static_cast<int64_t>(load_uint(at, value.child_width)));
        }
        return {};
      }
      case kKey: {
        SLUICE_ASSIGN(const uint64_t at, follow(value));
        SLUICE_ASSIGN(std::string text, key(at));
        out.set(label, std::move(text));
        return {};
      }
      case kString:
      case kBlob: {
        SLUICE_ASSIGN(const uint64_t at, follow(value));
        SLUICE_ASSIGN(const uint64_t length, length_before(at, value.child_width, 1));
        SLUICE_TRY(count(length / 16));
        out.set(label, std::string(reinterpret_cast<const char*>(bytes_.data() + at),
                                   static_cast<size_t>(length)));
        return {};
      }
      case kMap:
        return store_map(out, name, value, depth);
      default:
        return store_vector(out, label, value, depth);
    }
  }

  // In front of a map's values stand their number, the width of the keys' offsets, and the offset
  // to the keys.
  Result<void> store_map(AttrMap& out, const std::string& name, const Ref& value, int depth) {
    SLUICE_ASSIGN(const uint64_t at, follow(value));
    const uint64_t width = value.child_width;
    SLUICE_ASSIGN(const uint64_t length, length_before(at, width, width + 1));
    SLUICE_TRY(count(length));
    if (at < 3 * width) return fail(at, "has a map without room for its keys");
    const uint64_t key_width = load_uint(at - 2 * width, width);
    if (key_width != 1 && key_width != 2 && key_width != 4 && key_width != 8) {
      return fail(at, cat("has a map with keys of ", key_width, " bytes (1, 2, 4 or 8)"));
    }
    SLUICE_ASSIGN(const uint64_t keys, follow(Ref{at - 3 * width, width}));
    SLUICE_ASSIGN(const uint64_t key_count, length_before(keys, key_width, key_width));
    if (key_count != length)
      return fail(at, cat("has a map of ", length, " values and ", key_count, " keys"));
    for (uint64_t i = 0; i < length; ++i) {
      SLUICE_ASSIGN(const uint64_t key_at, follow(Ref{keys + i * key_width, key_width}));
      SLUICE_ASSIGN(std::string text, key(key_at));
      SLUICE_TRY(count(text.size() / 16));
      if (!name.empty()) text = name + "." + text;
      const uint8_t packed =
          static_cast<uint8_t>(bytes_[static_cast<size_t>(at + length * width + i)]);
      SLUICE_TRY(store(out, text, ref(at + i * width, width, packed), depth + 1));
    }
    return {};
  }

  Result<void> store_vector(AttrMap& out, const std::string& name, const Ref& value, int depth) {
    SLUICE_ASSIGN(const uint64_t at, follow(value));
    const uint64_t width = value.child_width;
    int elem = 0;
    uint64_t length = 0;
    const bool fixed = value.type >= kVectorInt2 && value.type <= kVectorFloat4;
    if (fixed) {
      elem = kInt + (value.type - kVectorInt2) % 3;
      length = 2 + static_cast<uint64_t>(value.type - kVectorInt2) / 3;
      if (!inside(at, length * width)) return fail(at, "ends inside a vector");
    } else {
      switch (value.type) {
        case kVector:
          elem = -1;
          break;
        case kVectorInt:
        case kVectorUInt:
        case kVectorFloat:
        case kVectorKey:
          elem = value.type - kVectorInt + kInt;
          break;
        case kVectorStringOld:
          elem = kString;
          break;
        case kVectorBool:
          elem = kBool;
          break;
        default:
          return fail(value.at,
                      cat("has a value of type ", value.type, ", which FlexBuffers do not have"));
      }
      SLUICE_ASSIGN(length, length_before(at, width, elem < 0 ? width + 1 : width));
    }
    SLUICE_TRY(count(length));
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<std::string> strings;
    for (uint64_t i = 0; i < length; ++i) {
      Ref item{at + i * width, width, elem, 1};
      if (elem < 0)
        item = ref(item.at, width,
                   static_cast<uint8_t>(bytes_[static_cast<size_t>(at + length * width + i)]));
      switch (item.type) {
        case kInt:
          ints.push_back(load_int(item.at, width));
          break;
        case kUInt:
        case kBool:
          ints.push_back(static_cast<int64_t>(load_uint(item.at, width)));
          break;
        case kFloat: {
          SLUICE_ASSIGN(const float number, load_float(item.at, width));
          floats.push_back(number);
          break;
        }
        case kKey: {
          SLUICE_ASSIGN(const uint64_t target, follow(item));
          SLUICE_ASSIGN(std::string text, key(target));
          SLUICE_TRY(count(text.size() / 16));
          strings.push_back(std::move(text));
          break;
        }
        default: {
          // Strings, indirect numbers and nested vectors: through a small map of their own.
          AttrMap one;
          SLUICE_TRY(store(one, "value", item, depth + 1));
          const Attribute* attr = one.find("value");
          if (attr != nullptr && std::holds_alternative<std::string>(*attr)) {
            strings.push_back(std::get<std::string>(*attr));
          } else if (attr != nullptr && std::holds_alternative<int64_t>(*attr)) {
            ints.push_back(std::get<int64_t>(*attr));
          } else if (attr != nullptr && std::holds_alternative<float>(*attr)) {
            floats.push_back(std::get<float>(*attr));
          } else {
            for (const auto& [inner, held] : one.entries()) {
              out.set(cat(name, ".", i, inner == "value" ? "" : ".",
                          inner == "value" ? "" : std::string_view(inner)),
                      held);
            }
          }
        }
      }
    }
    if (!strings.empty()) {
      out.set(name, std::move(strings));
    } else if (!floats.empty()) {
      // A vector that mixes integers with floats is one of floats.
      if (floats.size() != length) {
        floats.clear();
        for (uint64_t i = 0; i < length && elem < 0; ++i) {
          const Ref item =
              ref(at + i * width, width,
                  static_cast<uint8_t>(bytes_[static_cast<size_t>(at + length * width + i)]));
          AttrMap one;
          SLUICE_TRY(store(one, "value", item, depth + 1));
          const Attribute* attr = one.find("value");
          if (attr == nullptr) continue;
          if (const auto* whole = std::get_if<int64_t>(attr))
            floats.push_back(static_cast<float>(*whole));
          if (const auto* real = std::get_if<float>(attr)) floats.push_back(*real);
        }
      }
      out.set(name, std::move(floats));
    } else {
      out.set(name, std::move(ints));
    }
    return {};
  }

  static Error fail(uint64_t at, std::string_view what) {
    return invalid_model(cat("A flexbuffer ", what, ", at its byte ", at, "."));
  }

  std::span<const std::byte> bytes_;
  const FlexbufferLimits& limits_;
  uint64_t values_ = 0;
};

}  // namespace

Result<AttrMap> decode_flexbuffer(std::span<const std::byte> bytes,
                                  const FlexbufferLimits& limits) {
  return Decoder(bytes, limits).run();
}

}  // namespace sluice::format::tflite
