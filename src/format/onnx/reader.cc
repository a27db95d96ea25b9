#include "format/onnx/reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include "base/checked.h"
#include "base/text.h"
#include "format/caps.h"
#include "format/onnx/wire.h"

namespace sluice::format::onnx {

namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is viewed in place");

using Owner = std::shared_ptr<const void>;

// AttributeProto.AttributeType.
enum class AttrType : uint8_t {
  kUndefined = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
  kSparseTensor = 11,
  kSparseTensors = 12,
  kType = 13,
  kTypes = 14,
};

// AttributeProto field that carries each type's contents, by AttrType.
constexpr std::array<uint32_t, 15> kAttrField = {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 22, 23, 14, 15};

// TensorProto.data_location.
constexpr uint64_t kLocationDefault = 0, kLocationExternal = 1;

// How often each field of a message occurs. Walking a message once before reading it lets every
// list be allocated at its final size.
struct FieldCounts {
  std::array<size_t, 32> of = {};
};

Result<FieldCounts> count_fields(const Field& message) {
  FieldCounts counts;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number < counts.of.size()) ++counts.of[field.number];
  }
  return counts;
}

Result<void> at_most(size_t count, size_t limit, std::string_view what, size_t offset) {
  if (count <= limit) return {};
  return invalid_model(
      cat("The message at byte ", offset, " has ", count, " ", what, " (limit ", limit, ")"));
}

// Where the numbers of a tensor stand in its message.
struct TensorFields {
  Shape shape;
  DType dtype = DType::kUndefined;
  std::string_view name;
  size_t offset = 0;
  bool has_raw = false;
  std::span<const std::byte> raw;
  size_t raw_offset = 0;
  uint32_t data_field = 0;  // the one typed field that has elements; 0: none
  uint64_t data_count = 0;  // its elements
  uint64_t location = kLocationDefault;
  bool has_segment = false;
  std::string_view external_location, external_offset, external_length;
  bool has_external_location = false;
};

std::string_view data_field_name(uint32_t number) {
  switch (number) {
    case 4:
      return "float_data";
    case 5:
      return "int32_data";
    case 6:
      return "string_data";
    case 7:
      return "int64_data";
    case 10:
      return "double_data";
    default:
      return "uint64_data";
  }
}

// The typed field in which the schema stores a dtype.
uint32_t data_field_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:
      return 4;
    case DType::kString:
      return 6;
    case DType::kInt64:
      return 7;
    case DType::kFloat64:
    case DType::kComplex128:
      return 10;
    case DType::kUInt32:
    case DType::kUInt64:
      return 11;
    default:
      return 5;
  }
}

size_t alignment_of(DType dtype) {
  switch (dtype) {
    case DType::kComplex64:
      return 4;
    case DType::kComplex128:
      return 8;
    default:
      return std::max<size_t>(1, static_cast<size_t>(dtype_bits(dtype)) / 8);
  }
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, Owner owner, const ExternalData* external,
         bool movable = false)
      : bytes_(bytes),
        owner_(std::move(owner)),
        external_(external),
        movable_(movable && owner_ != nullptr),
        memory_limit_((Checked(bytes.size()) * caps::kMemoryFactor + caps::kMemorySlack).value()) {}

  Result<void> model(Model& out);
  Result<TensorDecl> tensor(const Field& message);
  Result<Value> sequence_value(const Field& message, int depth);
  Result<Value> optional_value(const Field& message, int depth);
  Field whole() const {
    Field field;
    field.type = WireType::kBytes;
    field.bytes = bytes_;
    return field;
  }
  uint64_t memory_used() const { return memory_used_; }

 private:
  Result<void> charge(uint64_t bytes, size_t offset) {
    memory_used_ += bytes;  // one charge is far below 2^63: counts are bounded by the file
    if (memory_used_ <= memory_limit_) return {};
    return resource_error(cat("Reading the file up to byte ", offset, " asks for ", memory_used_,
                              " bytes of memory (limit ", memory_limit_, ", ", caps::kMemoryFactor,
                              " times the file's size and ", human_bytes(caps::kMemorySlack), ")"));
  }
  Result<void> charge_text(std::string_view text, size_t offset) {
    return text.size() > 15 ? charge(text.size() + 1, offset) : Result<void>();
  }
  template <class T>
  Result<void> reserve(std::vector<T>& list, size_t count, size_t offset) {
    if (count == 0) return {};
    SLUICE_TRY(charge(uint64_t{count} * sizeof(T), offset));
    list.reserve(count);
    return {};
  }
  Result<std::string> name(const Field& field, std::string_view what) {
    SLUICE_ASSIGN(const std::string_view view, as_name(field, what));
    SLUICE_TRY(charge_text(view, field.offset));
    return std::string(view);
  }
  Result<std::string> text(const Field& field, std::string_view what) {
    SLUICE_ASSIGN(const std::string_view view, as_text(field, what));
    SLUICE_TRY(charge_text(view, field.offset));
    return std::string(view);
  }

  Result<std::pair<std::string, int64_t>> opset(const Field& message);
  Result<std::pair<std::string, std::string>> string_pair(const Field& message);
  Result<void> graph(const Field& message, int depth, bool in_function, GraphDecl& out);
  Result<void> nodes_of(const Field& message, uint32_t number, size_t count, int depth,
                        bool in_function, std::vector<NodeDecl>& out);
  Result<void> node(const Field& message, int depth, bool in_function, NodeDecl& out);
  Result<void> attribute(const Field& message, int depth, bool in_function, NodeDecl& out);
  Result<std::pair<std::string, Attribute>> default_attribute(const Field& message);
  Result<Attribute> attribute_value(const Field& message, AttrType type,
                                    std::string_view attr_name);
  Result<void> function(const Field& message, FunctionDecl& out);
  Result<ValueDecl> value_info(const Field& message);
  Result<Type> type(const Field& message, int depth);
  Result<Type> tensor_type(const Field& message);
  Result<Dim> dimension(const Field& message);
  std::string symbol_of(std::string_view dim_param);

  Result<void> dims(const Field& field, std::string_view what, Shape& shape, int& count);
  Result<TensorFields> tensor_fields(const Field& message);
  Result<Tensor> tensor_data(const Field& message, const TensorFields& fields);
  Result<Tensor> tensor_typed_data(const Field& message, const TensorFields& fields,
                                   uint64_t elements);
  Result<Tensor> tensor_bytes(const TensorFields& fields, std::span<const std::byte> bytes,
                              const Owner& owner, size_t offset);
  std::span<const std::byte> aligned(std::span<const std::byte> raw, DType dtype);
  Result<Tensor> tensor_external(const TensorFields& fields, uint64_t need);
  Result<TensorDecl> sparse_tensor(const Field& message);

  std::span<const std::byte> bytes_;
  Owner owner_;
  const ExternalData* external_;
  bool movable_;
  uint64_t memory_limit_;
  uint64_t memory_used_ = 0;
  size_t nodes_ = 0;
  size_t tensors_ = 0;
  bool located_ = false;  // the error already says in which node it stands
  std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>> external_files_;
  std::map<std::string, std::string, std::less<>> symbols_;  // dim_param -> symbol
  std::set<std::string, std::less<>> symbols_taken_;
};

// --- tensors

Result<void> Reader::dims(const Field& field, std::string_view what, Shape& shape, int& count) {
  return each_varint(field, what, [&](uint64_t bits) -> Result<void> {
    const auto dim = static_cast<int64_t>(bits);
    if (dim < 0) {
      return invalid_model(
          cat("The field ", what, " at byte ", field.offset, " has extent ", dim, " (at least 0)"));
    }
    if (++count > caps::kMaxTensorRank) {
      return unsupported(cat("The tensor at byte ", field.offset, " has rank over ", count - 1,
                             " (limit ", caps::kMaxTensorRank, ")"));
    }
    shape.push_back(dim);
    return {};
  });
}

Result<TensorFields> Reader::tensor_fields(const Field& message) {
  TensorFields out;
  out.offset = message.offset;
  int rank = 0;
  WireReader reader(message);
  Field field;
  const auto note_data = [&](uint64_t count) -> Result<void> {
    if (count == 0) return {};
    if (out.data_field != 0 && out.data_field != field.number) {
      return invalid_model(cat("The tensor at byte ", message.offset, " carries both ",
                               data_field_name(out.data_field), " and ",
                               data_field_name(field.number), " (one is allowed)"));
    }
    out.data_field = field.number;
    out.data_count += count;
    return {};
  };
  const auto count_words = [&](size_t width) -> Result<void> {
    if (field.type != WireType::kBytes) return note_data(1);
    if (field.bytes.size() % width != 0) {
      return invalid_model(cat("The field ", data_field_name(field.number), " at byte ",
                               field.offset, " has ", field.bytes.size(), " bytes (a multiple of ",
                               width, " is needed)"));
    }
    return note_data(field.bytes.size() / width);
  };
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    switch (field.number) {
      case 1:
        SLUICE_TRY(dims(field, "TensorProto.dims", out.shape, rank));
        break;
      case 2: {
        SLUICE_ASSIGN(const uint64_t number, as_varint(field, "TensorProto.data_type"));
        if (number > 255 || number == 0 || !dtype_is_valid(static_cast<int64_t>(number))) {
          return invalid_model(cat("The field TensorProto.data_type at byte ", field.offset, " is ",
                                   static_cast<int64_t>(number), " (1 to ", kDTypeCount - 1, ")"));
        }
        out.dtype = static_cast<DType>(number);
        break;
      }
      case 3:
        out.has_segment = true;
        break;
      case 4:
        SLUICE_TRY(count_words(4));
        break;
      case 5:
      case 7:
      case 11:
        SLUICE_TRY(note_data(count_varints(field)));
        break;
      case 6:
        SLUICE_TRY(note_data(1));
        break;
      case 10:
        SLUICE_TRY(count_words(8));
        break;
      case 8: {
        SLUICE_ASSIGN(out.name, as_name(field, "TensorProto.name"));
        break;
      }
      case 9: {
        SLUICE_ASSIGN(out.raw, as_bytes_field(field, "TensorProto.raw_data"));
        out.has_raw = true;
        out.raw_offset = field.payload_offset;
        break;
      }
      case 13: {
        std::string_view key, value;
        WireReader entry(field);
        Field part;
        if (field.type != WireType::kBytes) {
          return wrong_wire_type(field, "TensorProto.external_data", "a message");
        }
        while (!entry.done()) {
          SLUICE_TRY(entry.next(part));
          if (part.number == 1) {
            SLUICE_ASSIGN(key, as_name(part, "external_data.key"));
          } else if (part.number == 2) {
            SLUICE_ASSIGN(value, as_name(part, "external_data.value"));
          }
        }
        if (key == "location") {
          out.external_location = value;
          out.has_external_location = true;
        } else if (key == "offset") {
          out.external_offset = value;
        } else if (key == "length") {
          out.external_length = value;
        }
        break;
      }
      case 14: {
        SLUICE_ASSIGN(out.location, as_varint(field, "TensorProto.data_location"));
        break;
      }
      default:
        break;
    }
  }
  return out;
}

Result<Tensor> Reader::tensor_bytes(const TensorFields& fields, std::span<const std::byte> bytes,
                                    const Owner& owner, size_t offset) {
  bool in_place = owner != nullptr &&
                  reinterpret_cast<uintptr_t>(bytes.data()) % alignment_of(fields.dtype) == 0;
  bool odd_bools = false;
  if (fields.dtype == DType::kBool) {
    // Kernels may read a bool as the C++ type, for which only 0 and 1 are values.
    odd_bools = std::ranges::any_of(bytes, [](std::byte b) { return b > std::byte{1}; });
    in_place = in_place && !odd_bools;
  }
  if (in_place && !bytes.empty()) return Tensor::view(fields.dtype, fields.shape, bytes, owner);
  SLUICE_TRY(charge(bytes.size() + 128, offset));
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(fields.dtype, fields.shape));
  if (!bytes.empty()) std::memcpy(out.mutable_bytes().data(), bytes.data(), bytes.size());
  if (odd_bools) {
    for (std::byte& b : out.mutable_bytes()) b = b == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  return out;
}

// The bytes of a field, moved down to the next address that suits `dtype` where that is allowed and
// where only the field's tag and length lie in between: they have been read, and nothing reads a
// tensor's message twice.
std::span<const std::byte> Reader::aligned(std::span<const std::byte> raw, DType dtype) {
  // A tag and a length of more than 2^14 are 4 bytes at least.
  constexpr size_t kLarge = 1 << 14, kHeader = 4;
  const size_t by = reinterpret_cast<uintptr_t>(raw.data()) % alignment_of(dtype);
  if (!movable_ || by == 0 || by > kHeader || raw.size() < kLarge) return raw;
  auto* const from = const_cast<std::byte*>(raw.data());
  std::memmove(from - by, from, raw.size());
  return {from - by, raw.size()};
}

Result<Tensor> Reader::tensor_external(const TensorFields& fields, uint64_t need) {
  if (!fields.has_external_location) {
    return invalid_model("Its external data has no location");
  }
  const auto number = [&](std::string_view text, std::string_view what,
                          uint64_t fallback) -> Result<uint64_t> {
    if (text.empty()) return fallback;
    const auto value = parse_int(text);
    if (!value || *value < 0) {
      return invalid_model(cat("Its external data has ", what, " ", quoted(text),
                               " (a number from 0 to 2^63-1 is needed)"));
    }
    return static_cast<uint64_t>(*value);
  };
  SLUICE_ASSIGN(const uint64_t start, number(fields.external_offset, "offset", 0));
  SLUICE_ASSIGN(const uint64_t length, number(fields.external_length, "length", need));
  if (length != need) {
    return invalid_model(cat("Its external data has length ", length, " (", need,
                             " bytes are needed for ", dtype_name(fields.dtype),
                             fields.shape.text(), ")"));
  }
  const std::string_view where = fields.external_location;
  // One file under several spellings is one file.
  std::string plain;
  for (const std::string& part : split(where, '/')) {
    if (!part.empty() && part != ".") plain += plain.empty() ? part : "/" + part;
  }
  auto found = external_files_.find(plain);
  if (found == external_files_.end()) {
    if (external_ == nullptr || !*external_) {
      return unsupported(cat("Its data are in the external file ", quoted(where),
                             ", and no folder is known to look in"));
    }
    SLUICE_TRY(charge(sizeof(MappedFile) + 2 * where.size() + 256, fields.offset));
    SLUICE_ASSIGN(auto opened, (*external_)(where));
    // The file's bytes are supplied bytes too, once.
    memory_limit_ += (Checked(opened->size()) * caps::kMemoryFactor).value();
    found = external_files_.emplace(std::move(plain), std::move(opened)).first;
  }
  const std::shared_ptr<const MappedFile>& file = found->second;
  if (!(Checked(start) + need).fits(file->size())) {
    return invalid_model(cat("Its external data take ", need, " bytes from byte ", start,
                             " of a file of ", file->size(), " bytes"));
  }
  return tensor_bytes(fields, file->bytes().subspan(start, need), file, fields.offset);
}

Result<Tensor> Reader::tensor_typed_data(const Field& message, const TensorFields& fields,
                                         uint64_t elements) {
  const DType dtype = fields.dtype;
  const uint32_t wanted = data_field_of(dtype);
  if (fields.data_field != wanted && fields.data_field != 0) {
    return invalid_model(cat("It is ", dtype_name(dtype), " and carries ",
                             data_field_name(fields.data_field), " (", data_field_name(wanted),
                             " is needed)"));
  }
  // Packed sub-byte elements come a byte at a time, complex numbers a half at a time.
  Checked need(elements);
  if (is_complex(dtype)) need = need * 2;
  if (dtype != DType::kString && dtype_bits(dtype) < 8)
    need = *storage_bytes(dtype, static_cast<int64_t>(elements));
  if (!need.valid() || fields.data_count != need.value()) {
    return invalid_model(cat("Its field ", data_field_name(wanted), " has ", fields.data_count,
                             " elements (", need.value(), " are needed for ", dtype_name(dtype),
                             fields.shape.text(), ")"));
  }
  const uint64_t bytes = *storage_bytes(dtype, static_cast<int64_t>(elements));
  SLUICE_TRY(charge(bytes + 128, fields.offset));
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(dtype, fields.shape));
  WireReader reader(message);
  Field field;
  size_t at = 0;
  std::byte* const to = out.mutable_bytes().data();
  const auto store = [&]<class T>(T value) {
    std::memcpy(to + at * sizeof(T), &value, sizeof(T));
    ++at;
  };
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number != wanted) continue;
    const std::string_view what = data_field_name(wanted);
    switch (wanted) {
      case 4:
        SLUICE_TRY(each_word<uint32_t>(field, what, [&](uint32_t word) -> Result<void> {
          store(word);
          return {};
        }));
        break;
      case 10:
        SLUICE_TRY(each_word<uint64_t>(field, what, [&](uint64_t word) -> Result<void> {
          store(word);
          return {};
        }));
        break;
      case 7:
        SLUICE_TRY(each_varint(field, what, [&](uint64_t value) -> Result<void> {
          store(value);
          return {};
        }));
        break;
      case 11:
        SLUICE_TRY(each_varint(field, what, [&](uint64_t value) -> Result<void> {
          if (dtype == DType::kUInt64) {
            store(value);
          } else if (value > UINT32_MAX) {
            return invalid_model(cat("Element ", at, " is ", value, ", out of range for uint32"));
          } else {
            store(static_cast<uint32_t>(value));
          }
          return {};
        }));
        break;
      case 6: {
        SLUICE_ASSIGN(auto value, text(field, "TensorProto.string_data"));
        out.mutable_data<std::string>()[at++] = std::move(value);
        break;
      }
      default: {
        const int bits = std::max(8, dtype_bits(dtype));
        SLUICE_TRY(each_varint(field, what, [&](uint64_t raw) -> Result<void> {
          // Small types may be stored with their sign or as bit patterns.
          const auto value = static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(raw)));
          if (bits < 32 && (value < -(int64_t{1} << (bits - 1)) || value >= int64_t{1} << bits)) {
            return invalid_model(
                cat("Element ", at, " is ", value, ", out of range for ", dtype_name(dtype)));
          }
          if (dtype == DType::kBool) {
            store(static_cast<uint8_t>(value != 0));
          } else if (bits == 8) {
            store(static_cast<uint8_t>(value));
          } else if (bits == 16) {
            store(static_cast<uint16_t>(value));
          } else {
            store(static_cast<uint32_t>(value));
          }
          return {};
        }));
      }
    }
  }
  return out;
}

Result<Tensor> Reader::tensor_data(const Field& message, const TensorFields& fields) {
  if (fields.dtype == DType::kUndefined) return invalid_model("It has no data_type");
  if (fields.has_segment) {
    return unsupported("It is stored in segments, which Sluice does not read");
  }
  const auto elements = fields.shape.checked_elements();
  const auto need = elements ? storage_bytes(fields.dtype, *elements) : std::nullopt;
  if (!need || *need > static_cast<uint64_t>(PTRDIFF_MAX)) {
    return invalid_model(
        cat("Its shape ", fields.shape.text(), " has more elements than can be addressed"));
  }
  const int sources = (fields.has_raw && !fields.raw.empty() ? 1 : 0) +
                      (fields.data_field != 0 ? 1 : 0) +
                      (fields.location == kLocationExternal ? 1 : 0);
  if (sources > 1) {
    return invalid_model("Its data stand in more than one place (raw, typed or external)");
  }
  if (fields.location > kLocationExternal) {
    return invalid_model(
        cat("Its field data_location is ", static_cast<int64_t>(fields.location), " (0 or 1)"));
  }
  if (fields.dtype == DType::kString &&
      (fields.location == kLocationExternal || !fields.raw.empty())) {
    return invalid_model("Strings can't be stored as raw or external data");
  }
  if (fields.location == kLocationExternal) return tensor_external(fields, *need);
  if (fields.has_raw && fields.data_field == 0 && fields.dtype != DType::kString) {
    if (fields.raw.size() != *need) {
      return invalid_model(cat("Its field raw_data at byte ", fields.raw_offset, " has ",
                               fields.raw.size(), " bytes (", *need, " are needed for ",
                               dtype_name(fields.dtype), fields.shape.text(), ")"));
    }
    return tensor_bytes(fields, aligned(fields.raw, fields.dtype), owner_, fields.raw_offset);
  }
  return tensor_typed_data(message, fields, static_cast<uint64_t>(*elements));
}

Result<TensorDecl> Reader::tensor(const Field& message) {
  SLUICE_TRY(as_bytes_field(message, "a tensor"));
  SLUICE_ASSIGN(const TensorFields fields, tensor_fields(message));
  auto data = tensor_data(message, fields);
  if (!data) {
    return std::move(data).error().while_doing(
        cat("reading tensor ", quoted(fields.name), " at byte ", message.offset));
  }
  SLUICE_TRY(charge_text(fields.name, message.offset));
  return TensorDecl{std::string(fields.name), std::move(data).value()};
}

// Sparse tensors become dense ones, where the file pays for the size.
Result<TensorDecl> Reader::sparse_tensor(const Field& message) {
  SLUICE_TRY(as_bytes_field(message, "a sparse tensor"));
  std::optional<TensorDecl> values, indices;
  Shape shape;
  int rank = 0;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(values, tensor(field));
    } else if (field.number == 2) {
      SLUICE_ASSIGN(indices, tensor(field));
    } else if (field.number == 3) {
      SLUICE_TRY(dims(field, "SparseTensorProto.dims", shape, rank));
    }
  }
  const auto fail = [&](std::string_view why) {
    return invalid_model(cat("The sparse tensor ", quoted(values ? values->name : ""), " at byte ",
                             message.offset, " ", why));
  };
  if (!values) return fail("has no values");
  const Tensor& from = values->tensor;
  const DType dtype = from.dtype();
  if (dtype == DType::kString || dtype_bits(dtype) < 8) {
    return unsupported(cat("The sparse tensor ", quoted(values->name), " holds ", dtype_name(dtype),
                           ", which Sluice does not read as sparse"));
  }
  const auto elements = shape.checked_elements();
  const auto bytes = elements ? storage_bytes(dtype, *elements) : std::nullopt;
  if (!bytes || *bytes > static_cast<uint64_t>(PTRDIFF_MAX)) {
    return fail(cat("has shape ", shape.text(), ", more elements than can be addressed"));
  }
  const int64_t count = from.elements();
  if (from.rank() != 1) return fail(cat("has values of shape ", from.shape().text(), " (rank 1)"));
  bool linear = true;
  if (count != 0) {
    if (!indices || indices->tensor.dtype() != DType::kInt64) return fail("has no int64 indices");
    const Shape& index_shape = indices->tensor.shape();
    linear = index_shape == Shape{count};
    if (!linear && !(index_shape == Shape{count, shape.rank()})) {
      return fail(cat("has indices of shape ", index_shape.text(), " ([", count, "] or [", count,
                      ",", shape.rank(), "])"));
    }
  }
  SLUICE_TRY(charge(*bytes + 128, message.offset));
  SLUICE_ASSIGN(Tensor out, Tensor::allocate(dtype, shape));
  const size_t width = static_cast<size_t>(dtype_bits(dtype)) / 8;
  const Shape strides = shape.strides();
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = 0;
    if (linear) {
      at = indices->tensor.get_int(i);
      if (at < 0 || at >= *elements) {
        return fail(cat("has index ", at, " (below ", *elements, ")"));
      }
    } else {
      for (int axis = 0; axis < shape.rank(); ++axis) {
        const int64_t coordinate = indices->tensor.get_int(i * shape.rank() + axis);
        if (coordinate < 0 || coordinate >= shape[axis]) {
          return fail(
              cat("has index ", coordinate, " on axis ", axis, " (below ", shape[axis], ")"));
        }
        at += coordinate * strides[axis];
      }
    }
    std::memcpy(out.mutable_bytes().data() + static_cast<size_t>(at) * width,
                from.bytes().data() + static_cast<size_t>(i) * width, width);
  }
  return TensorDecl{std::move(values->name), std::move(out)};
}

// --- types

// Names of dimensions are free text in the file; as symbols they must read as words.
std::string Reader::symbol_of(std::string_view dim_param) {
  const auto known = symbols_.find(dim_param);
  if (known != symbols_.end()) return known->second;
  std::string symbol;
  for (const char c : dim_param.substr(0, 64)) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '_' || c == '.' || c == '$';
    symbol += word ? c : '_';
  }
  if (symbol[0] >= '0' && symbol[0] <= '9') symbol = "dim_" + symbol;
  if (symbol == "floor" || symbol == "min" || symbol == "max") symbol += "_";
  const std::string base = symbol;
  for (size_t i = symbols_taken_.size() + 1; symbols_taken_.contains(symbol); ++i)
    symbol = cat(base, "_", i);
  symbols_taken_.insert(symbol);
  symbols_.emplace(std::string(dim_param), symbol);
  return symbol;
}

Result<Dim> Reader::dimension(const Field& message) {
  SLUICE_TRY(as_bytes_field(message, "TensorShapeProto.dim"));
  Dim out;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(const uint64_t bits, as_varint(field, "Dimension.dim_value"));
      const auto value = static_cast<int64_t>(bits);
      // Exporters write -1 for "not known".
      out = value < 0 ? Dim::unknown() : Dim(value);
    } else if (field.number == 2) {
      SLUICE_ASSIGN(const std::string_view param, as_name(field, "Dimension.dim_param"));
      if (param.empty()) {
        out = Dim::unknown();
      } else {
        SLUICE_TRY(charge(512 + 2 * param.size(), field.offset));
        out = Dim::symbol(symbol_of(param));
      }
    }
  }
  return out;
}

Result<Type> Reader::tensor_type(const Field& message) {
  SLUICE_TRY(as_bytes_field(message, "TypeProto.tensor_type"));
  Type out;
  out.kind = Type::Kind::kTensor;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(const uint64_t number, as_varint(field, "TypeProto.Tensor.elem_type"));
      if (number > 255 || (number != 0 && !dtype_is_valid(static_cast<int64_t>(number)))) {
        return invalid_model(cat("The field TypeProto.Tensor.elem_type at byte ", field.offset,
                                 " is ", static_cast<int64_t>(number), " (1 to ", kDTypeCount - 1,
                                 ")"));
      }
      out.dtype = static_cast<DType>(number);
    } else if (field.number == 2) {
      SLUICE_TRY(as_bytes_field(field, "TypeProto.Tensor.shape"));
      SLUICE_ASSIGN(const FieldCounts counts, count_fields(field));
      if (counts.of[1] > static_cast<size_t>(caps::kMaxTensorRank)) {
        return unsupported(cat("The type at byte ", field.offset, " has rank ", counts.of[1],
                               " (limit ", caps::kMaxTensorRank, ")"));
      }
      Dims dims_list;
      SLUICE_TRY(reserve(dims_list, counts.of[1], field.offset));
      WireReader shape(field);
      Field dim_field;
      while (!shape.done()) {
        SLUICE_TRY(shape.next(dim_field));
        if (dim_field.number != 1) continue;
        SLUICE_ASSIGN(Dim dim, dimension(dim_field));
        dims_list.push_back(std::move(dim));
      }
      out.dims = std::move(dims_list);
    }
  }
  return out;
}

Result<Type> Reader::type(const Field& message, int depth) {
  SLUICE_TRY(as_bytes_field(message, "TypeProto"));
  if (depth > caps::kMaxTypeNesting) {
    return invalid_model(cat("The type at byte ", message.offset, " nests deeper than ", depth - 1,
                             " (limit ", caps::kMaxTypeNesting, ")"));
  }
  Type out;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(out, tensor_type(field));
    } else if (field.number == 4 || field.number == 9) {
      SLUICE_TRY(as_bytes_field(field, "TypeProto.sequence_type"));
      Type elem;
      WireReader inner(field);
      Field part;
      while (!inner.done()) {
        SLUICE_TRY(inner.next(part));
        if (part.number != 1) continue;
        SLUICE_ASSIGN(elem, type(part, depth + 1));
      }
      SLUICE_TRY(charge(sizeof(Type) + 32, field.offset));
      out = field.number == 4 ? Type::sequence(std::move(elem)) : Type::optional(std::move(elem));
    }
    // Maps (5), sparse tensors (8) and opaque types (7) stay unknown: an input of such a type is
    // refused when the graph is built.
  }
  return out;
}

Result<ValueDecl> Reader::value_info(const Field& message) {
  SLUICE_TRY(as_bytes_field(message, "ValueInfoProto"));
  ValueDecl out;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(out.name, name(field, "ValueInfoProto.name"));
    } else if (field.number == 2) {
      auto read = type(field, 1);
      if (!read) {
        return std::move(read).error().while_doing(cat("reading the type of ", quoted(out.name)));
      }
      out.type = std::move(read).value();
    }
  }
  return out;
}

// --- attributes and nodes

Result<Attribute> Reader::attribute_value(const Field& message, AttrType type_number,
                                          std::string_view attr_name) {
  const uint32_t wanted = kAttrField[static_cast<size_t>(type_number)];
  const auto refuse = [&](std::string_view what) {
    return unsupported(cat("The attribute ", quoted(attr_name), " at byte ", message.offset, " is ",
                           what, ", which Sluice does not read"));
  };
  // A writer of the third protobuf syntax leaves zeros out, so absent scalars are zeros.
  int64_t int_value = 0;
  float float_value = 0;
  std::string string_value;
  std::optional<Tensor> tensor_value;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
  std::vector<Tensor> tensors;
  std::optional<Type> type_value;

  // Final sizes first.
  size_t elements = 0;
  WireReader sizing(message);
  Field field;
  while (!sizing.done()) {
    SLUICE_TRY(sizing.next(field));
    if (field.number != wanted) continue;
    if (wanted == 8) {
      elements += count_varints(field);
    } else if (wanted == 7) {
      elements += field.type == WireType::kBytes ? field.bytes.size() / 4 : 1;
    } else {
      ++elements;
    }
  }
  if (type_number == AttrType::kInts) SLUICE_TRY(reserve(ints, elements, message.offset));
  if (type_number == AttrType::kFloats) SLUICE_TRY(reserve(floats, elements, message.offset));
  if (type_number == AttrType::kStrings) SLUICE_TRY(reserve(strings, elements, message.offset));
  if (type_number == AttrType::kTensors) SLUICE_TRY(reserve(tensors, elements, message.offset));

  WireReader reader(message);
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number != wanted) continue;
    switch (type_number) {
      case AttrType::kFloat: {
        SLUICE_ASSIGN(float_value, as_float(field, "AttributeProto.f"));
        break;
      }
      case AttrType::kInt: {
        SLUICE_ASSIGN(const uint64_t bits, as_varint(field, "AttributeProto.i"));
        int_value = static_cast<int64_t>(bits);
        break;
      }
      case AttrType::kString: {
        SLUICE_ASSIGN(string_value, text(field, "AttributeProto.s"));
        break;
      }
      case AttrType::kTensor: {
        if (tensor_value) {
          return invalid_model(cat("The attribute ", quoted(attr_name), " at byte ", message.offset,
                                   " has two tensors (limit 1)"));
        }
        SLUICE_ASSIGN(TensorDecl decl, tensor(field));
        tensor_value = std::move(decl.tensor);
        break;
      }
      case AttrType::kFloats:
        SLUICE_TRY(
            each_word<uint32_t>(field, "AttributeProto.floats", [&](uint32_t word) -> Result<void> {
              floats.push_back(std::bit_cast<float>(word));
              return {};
            }));
        break;
      case AttrType::kInts:
        SLUICE_TRY(each_varint(field, "AttributeProto.ints", [&](uint64_t bits) -> Result<void> {
          ints.push_back(static_cast<int64_t>(bits));
          return {};
        }));
        break;
      case AttrType::kStrings: {
        SLUICE_ASSIGN(std::string one, text(field, "AttributeProto.strings"));
        strings.push_back(std::move(one));
        break;
      }
      case AttrType::kTensors: {
        SLUICE_ASSIGN(TensorDecl decl, tensor(field));
        tensors.push_back(std::move(decl.tensor));
        break;
      }
      case AttrType::kSparseTensor: {
        SLUICE_ASSIGN(TensorDecl decl, sparse_tensor(field));
        tensor_value = std::move(decl.tensor);
        break;
      }
      case AttrType::kType: {
        SLUICE_ASSIGN(type_value, type(field, 1));
        break;
      }
      default:
        break;
    }
  }
  switch (type_number) {
    case AttrType::kFloat:
      return Attribute(float_value);
    case AttrType::kInt:
      return Attribute(int_value);
    case AttrType::kString:
      return Attribute(std::move(string_value));
    case AttrType::kFloats:
      return Attribute(std::move(floats));
    case AttrType::kInts:
      return Attribute(std::move(ints));
    case AttrType::kStrings:
      return Attribute(std::move(strings));
    case AttrType::kTensors:
      return Attribute(std::move(tensors));
    case AttrType::kTensor:
    case AttrType::kSparseTensor:
      if (!tensor_value) {
        return invalid_model(cat("The attribute ", quoted(attr_name), " at byte ", message.offset,
                                 " is a tensor and has none"));
      }
      return Attribute(std::move(*tensor_value));
    case AttrType::kType:
      if (!type_value) {
        return invalid_model(cat("The attribute ", quoted(attr_name), " at byte ", message.offset,
                                 " is a type and has none"));
      }
      return Attribute(std::move(*type_value));
    case AttrType::kGraphs:
      return refuse("a list of graphs");
    case AttrType::kSparseTensors:
      return refuse("a list of sparse tensors");
    case AttrType::kTypes:
      return refuse("a list of types");
    default:
      return refuse("of no known type");
  }
}

Result<void> Reader::attribute(const Field& message, int depth, bool in_function, NodeDecl& out) {
  SLUICE_TRY(as_bytes_field(message, "NodeProto.attribute"));
  std::string_view attr_name, ref;
  uint64_t type_number = 0;
  uint32_t content = 0;  // bit per AttrType whose field occurs
  WireReader reader(message);
  Field field, graph_field;
  int graphs = 0;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(attr_name, as_name(field, "AttributeProto.name"));
    } else if (field.number == 20) {
      SLUICE_ASSIGN(type_number, as_varint(field, "AttributeProto.type"));
    } else if (field.number == 21) {
      SLUICE_ASSIGN(ref, as_name(field, "AttributeProto.ref_attr_name"));
    } else {
      for (size_t t = 1; t < kAttrField.size(); ++t) {
        if (kAttrField[t] == field.number) content |= 1u << t;
      }
      if (field.number == 6) {
        graph_field = field;
        ++graphs;
      }
    }
  }
  const auto fail = [&](std::string_view why) {
    return invalid_model(
        cat("The attribute ", quoted(attr_name), " at byte ", message.offset, " ", why));
  };
  if (attr_name.empty()) return fail("has no name");
  const auto same = [&](const auto& entry) { return entry.first == attr_name; };
  if (out.attrs.has(attr_name) || std::ranges::any_of(out.subgraphs, same) ||
      std::ranges::any_of(out.attr_refs, same)) {
    return fail("is given twice (limit 1)");
  }
  SLUICE_TRY(charge_text(attr_name, message.offset));
  if (!ref.empty()) {
    if (!in_function) return fail("refers to a function's attribute outside of any function");
    if (content != 0) return fail("has contents and also refers to a function's attribute");
    SLUICE_TRY(charge(2 * sizeof(out.attr_refs[0]) + ref.size(), message.offset));
    out.attr_refs.emplace_back(std::string(attr_name), std::string(ref));
    return {};
  }
  if (type_number == 0) {
    // The first versions of the format had no type: the field that is there tells.
    if (!std::has_single_bit(content)) return fail("has no type");
    type_number = static_cast<uint64_t>(std::countr_zero(content));
  }
  if (type_number >= kAttrField.size()) {
    return fail(
        cat("has type ", static_cast<int64_t>(type_number), " (1 to ", kAttrField.size() - 1, ")"));
  }
  if ((content & ~(1u << type_number)) != 0) {
    return fail(cat("has type ", type_number, " and carries contents of type ",
                    std::countr_zero(content & ~(1u << type_number))));
  }
  if (static_cast<AttrType>(type_number) == AttrType::kGraph) {
    if (graphs != 1) return fail(cat("has ", graphs, " graphs (1 is needed)"));
    SLUICE_TRY(as_bytes_field(graph_field, "AttributeProto.g"));
    SLUICE_TRY(charge(sizeof(GraphDecl) + 2 * sizeof(out.subgraphs[0]) + 32, message.offset));
    auto body = std::make_shared<GraphDecl>();
    SLUICE_TRY(graph(graph_field, depth + 1, in_function, *body));
    out.subgraphs.emplace_back(std::string(attr_name), std::move(body));
    return {};
  }
  SLUICE_ASSIGN(Attribute value,
                attribute_value(message, static_cast<AttrType>(type_number), attr_name));
  out.attrs.set(attr_name, std::move(value));
  return {};
}

Result<void> Reader::node(const Field& message, int depth, bool in_function, NodeDecl& out) {
  SLUICE_TRY(as_bytes_field(message, "GraphProto.node"));
  SLUICE_ASSIGN(const FieldCounts counts, count_fields(message));
  SLUICE_TRY(at_most(counts.of[1], caps::kMaxNodeValues, "inputs", message.offset));
  SLUICE_TRY(at_most(counts.of[2], caps::kMaxNodeValues, "outputs", message.offset));
  SLUICE_TRY(at_most(counts.of[5], caps::kMaxAttributes, "attributes", message.offset));
  SLUICE_TRY(reserve(out.inputs, counts.of[1], message.offset));
  SLUICE_TRY(reserve(out.outputs, counts.of[2], message.offset));
  SLUICE_TRY(
      charge(uint64_t{counts.of[5]} * sizeof(std::pair<std::string, Attribute>), message.offset));
  out.attrs.reserve(counts.of[5]);
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    switch (field.number) {
      case 1: {
        SLUICE_ASSIGN(std::string input, name(field, "NodeProto.input"));
        out.inputs.push_back(std::move(input));
        break;
      }
      case 2: {
        SLUICE_ASSIGN(std::string output, name(field, "NodeProto.output"));
        out.outputs.push_back(std::move(output));
        break;
      }
      case 3: {
        SLUICE_ASSIGN(out.name, name(field, "NodeProto.name"));
        break;
      }
      case 4: {
        SLUICE_ASSIGN(out.op, name(field, "NodeProto.op_type"));
        break;
      }
      case 5:
        SLUICE_TRY(attribute(field, depth, in_function, out));
        break;
      case 7: {
        SLUICE_ASSIGN(out.domain, name(field, "NodeProto.domain"));
        break;
      }
      case 8: {
        SLUICE_ASSIGN(out.overload, name(field, "NodeProto.overload"));
        break;
      }
      default:
        break;
    }
  }
  if (out.op.empty()) {
    return invalid_model(cat("The node at byte ", message.offset, " has no operator (op_type)"));
  }
  return {};
}

Result<void> Reader::nodes_of(const Field& message, uint32_t number, size_t count, int depth,
                              bool in_function, std::vector<NodeDecl>& out) {
  nodes_ += count;
  SLUICE_TRY(
      at_most(nodes_, caps::kMaxNodes, "nodes (with those before it in the file)", message.offset));
  SLUICE_TRY(reserve(out, count, message.offset));
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number != number) continue;
    NodeDecl& made = out.emplace_back();
    auto read = node(field, depth, in_function, made);
    if (!read) {
      if (located_) return read;
      located_ = true;
      return std::move(read).error().while_doing(
          cat("reading node ", out.size() - 1, " ", quoted(made.name), " (", quoted(made.op), ")"));
    }
  }
  return {};
}

// --- graphs, functions, the model

Result<void> Reader::graph(const Field& message, int depth, bool in_function, GraphDecl& out) {
  SLUICE_TRY(as_bytes_field(message, "GraphProto"));
  if (depth > caps::kMaxGraphNesting) {
    located_ = true;  // sixty node names would not help
    return invalid_model(cat("The graph at byte ", message.offset, " is nested ", depth,
                             " deep (limit ", caps::kMaxGraphNesting, ")"));
  }
  SLUICE_ASSIGN(const FieldCounts counts, count_fields(message));
  for (const uint32_t number : {11u, 12u, 13u}) {
    SLUICE_TRY(at_most(counts.of[number], caps::kMaxGraphValues,
                       number == 11   ? "inputs"
                       : number == 12 ? "outputs"
                                      : "value_infos",
                       message.offset));
  }
  const size_t weights = counts.of[5] + counts.of[15];
  tensors_ += weights;
  SLUICE_TRY(at_most(tensors_, caps::kMaxTensors, "initializers (with those before it in the file)",
                     message.offset));
  SLUICE_TRY(reserve(out.inputs, counts.of[11], message.offset));
  SLUICE_TRY(reserve(out.outputs, counts.of[12], message.offset));
  SLUICE_TRY(reserve(out.value_infos, counts.of[13], message.offset));
  SLUICE_TRY(reserve(out.initializers, weights, message.offset));
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    switch (field.number) {
      case 2: {
        SLUICE_ASSIGN(out.name, name(field, "GraphProto.name"));
        break;
      }
      case 5: {
        SLUICE_ASSIGN(TensorDecl decl, tensor(field));
        out.initializers.push_back(std::move(decl));
        break;
      }
      case 15: {
        SLUICE_ASSIGN(TensorDecl decl, sparse_tensor(field));
        out.initializers.push_back(std::move(decl));
        break;
      }
      case 11: {
        SLUICE_ASSIGN(ValueDecl decl, value_info(field));
        out.inputs.push_back(std::move(decl));
        break;
      }
      case 12: {
        SLUICE_ASSIGN(ValueDecl decl, value_info(field));
        out.outputs.push_back(std::move(decl));
        break;
      }
      case 13: {
        SLUICE_ASSIGN(ValueDecl decl, value_info(field));
        out.value_infos.push_back(std::move(decl));
        break;
      }
      default:
        break;
    }
  }
  return nodes_of(message, 1, counts.of[1], depth, in_function, out.nodes);
}

Result<std::pair<std::string, Attribute>> Reader::default_attribute(const Field& message) {
  NodeDecl holder;
  SLUICE_TRY(attribute(message, caps::kMaxGraphNesting, false, holder));
  if (holder.attrs.entries().size() != 1) {
    return unsupported(cat("The default of a function's attribute at byte ", message.offset,
                           " is a graph, which Sluice does not read"));
  }
  return holder.attrs.entries()[0];
}

Result<void> Reader::function(const Field& message, FunctionDecl& out) {
  SLUICE_TRY(as_bytes_field(message, "ModelProto.functions"));
  SLUICE_ASSIGN(const FieldCounts counts, count_fields(message));
  SLUICE_TRY(at_most(counts.of[4], caps::kMaxNodeValues, "inputs", message.offset));
  SLUICE_TRY(at_most(counts.of[5], caps::kMaxNodeValues, "outputs", message.offset));
  SLUICE_TRY(
      at_most(counts.of[6] + counts.of[11], caps::kMaxAttributes, "attributes", message.offset));
  SLUICE_TRY(at_most(counts.of[9], caps::kMaxOpsets, "opset imports", message.offset));
  SLUICE_TRY(reserve(out.inputs, counts.of[4], message.offset));
  SLUICE_TRY(reserve(out.outputs, counts.of[5], message.offset));
  SLUICE_TRY(reserve(out.attributes, counts.of[6], message.offset));
  SLUICE_TRY(reserve(out.default_attributes, counts.of[11], message.offset));
  SLUICE_TRY(reserve(out.opsets, counts.of[9], message.offset));
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    switch (field.number) {
      case 1: {
        SLUICE_ASSIGN(out.name, name(field, "FunctionProto.name"));
        break;
      }
      case 4: {
        SLUICE_ASSIGN(std::string one, name(field, "FunctionProto.input"));
        out.inputs.push_back(std::move(one));
        break;
      }
      case 5: {
        SLUICE_ASSIGN(std::string one, name(field, "FunctionProto.output"));
        out.outputs.push_back(std::move(one));
        break;
      }
      case 6: {
        SLUICE_ASSIGN(std::string one, name(field, "FunctionProto.attribute"));
        out.attributes.push_back(std::move(one));
        break;
      }
      case 9: {
        SLUICE_ASSIGN(auto one, opset(field));
        out.opsets.push_back(std::move(one));
        break;
      }
      case 10: {
        SLUICE_ASSIGN(out.domain, name(field, "FunctionProto.domain"));
        break;
      }
      case 11: {
        SLUICE_ASSIGN(auto one, default_attribute(field));
        out.default_attributes.push_back(std::move(one));
        break;
      }
      case 13: {
        SLUICE_ASSIGN(out.overload, name(field, "FunctionProto.overload"));
        break;
      }
      default:
        break;
    }
  }
  if (out.name.empty()) {
    return invalid_model(cat("The function at byte ", message.offset, " has no name"));
  }
  return nodes_of(message, 7, counts.of[7], 1, true, out.nodes);
}

Result<std::pair<std::string, int64_t>> Reader::opset(const Field& message) {
  SLUICE_TRY(as_bytes_field(message, "opset_import"));
  std::pair<std::string, int64_t> out;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(out.first, name(field, "OperatorSetIdProto.domain"));
    } else if (field.number == 2) {
      SLUICE_ASSIGN(const uint64_t bits, as_varint(field, "OperatorSetIdProto.version"));
      out.second = static_cast<int64_t>(bits);
    }
  }
  return out;
}

Result<std::pair<std::string, std::string>> Reader::string_pair(const Field& message) {
  SLUICE_TRY(as_bytes_field(message, "metadata_props"));
  std::pair<std::string, std::string> out;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 1) {
      SLUICE_ASSIGN(out.first, name(field, "StringStringEntryProto.key"));
    } else if (field.number == 2) {
      SLUICE_ASSIGN(out.second, text(field, "StringStringEntryProto.value"));
    }
  }
  return out;
}

Result<void> Reader::model(Model& out) {
  const Field message = whole();
  SLUICE_ASSIGN(const FieldCounts counts, count_fields(message));
  SLUICE_TRY(at_most(counts.of[25], caps::kMaxFunctions, "functions", 0));
  SLUICE_TRY(at_most(counts.of[8], caps::kMaxOpsets, "opset imports", 0));
  SLUICE_TRY(at_most(counts.of[14], caps::kMaxMetadataEntries, "metadata entries", 0));
  if (counts.of[7] != 1) {
    return invalid_model(cat("The file has ", counts.of[7],
                             " graphs at its top level (1 is needed for an ONNX model)"));
  }
  SLUICE_TRY(reserve(out.opsets, counts.of[8], 0));
  SLUICE_TRY(reserve(out.functions, counts.of[25], 0));
  SLUICE_TRY(reserve(out.graphs, 1, 0));
  constexpr size_t kFixedMetadata = 8;
  SLUICE_TRY(reserve(out.metadata, counts.of[14] + kFixedMetadata, 0));
  int64_t ir_version = 0;
  const auto note = [&](const Field& field, std::string_view key) -> Result<void> {
    SLUICE_ASSIGN(std::string value, text(field, key));
    if (!value.empty()) out.metadata.emplace_back(std::string(key), std::move(value));
    return {};
  };
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    switch (field.number) {
      case 1: {
        SLUICE_ASSIGN(const uint64_t bits, as_varint(field, "ModelProto.ir_version"));
        ir_version = static_cast<int64_t>(bits);
        out.metadata.emplace_back("ir_version", std::to_string(ir_version));
        break;
      }
      case 2:
        SLUICE_TRY(note(field, "producer_name"));
        break;
      case 3:
        SLUICE_TRY(note(field, "producer_version"));
        break;
      case 4:
        SLUICE_TRY(note(field, "domain"));
        break;
      case 5: {
        SLUICE_ASSIGN(const uint64_t bits, as_varint(field, "ModelProto.model_version"));
        if (bits != 0) {
          out.metadata.emplace_back("model_version", std::to_string(static_cast<int64_t>(bits)));
        }
        break;
      }
      case 6:
        SLUICE_TRY(note(field, "doc_string"));
        break;
      case 7:
        SLUICE_TRY(graph(field, 1, false, out.graphs.emplace_back()));
        break;
      case 8: {
        SLUICE_ASSIGN(auto one, opset(field));
        out.opsets.push_back(std::move(one));
        break;
      }
      case 14: {
        SLUICE_ASSIGN(auto one, string_pair(field));
        out.metadata.push_back(std::move(one));
        break;
      }
      case 25: {
        FunctionDecl& made = out.functions.emplace_back();
        if (auto read = function(field, made); !read) {
          return std::move(read).error().while_doing(cat("reading function ", quoted(made.name)));
        }
        break;
      }
      default:
        break;
    }
  }
  if (out.opsets.empty()) {
    // Before IR version 3 there was only one operator set and nothing to import.
    constexpr int64_t kFirstWithOpsets = 3;
    if (ir_version <= 0 || ir_version >= kFirstWithOpsets) {
      return invalid_model(
          cat("The model imports no operator set (opset_import is needed from IR "
              "version 3 on; this is ",
              ir_version, ")"));
    }
    out.opsets.emplace_back("", 1);
  }
  return {};
}

// --- test data

Result<Value> Reader::sequence_value(const Field& message, int depth) {
  SLUICE_TRY(as_bytes_field(message, "SequenceProto"));
  if (depth > caps::kMaxTypeNesting) {
    return invalid_model(cat("The value at byte ", message.offset, " nests deeper than ", depth - 1,
                             " (limit ", caps::kMaxTypeNesting, ")"));
  }
  SLUICE_ASSIGN(const FieldCounts counts, count_fields(message));
  std::vector<Value> items;
  SLUICE_TRY(
      reserve(items, counts.of[3] + counts.of[4] + counts.of[5] + counts.of[7], message.offset));
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 3) {
      SLUICE_ASSIGN(TensorDecl decl, tensor(field));
      items.emplace_back(std::move(decl.tensor));
    } else if (field.number == 4) {
      SLUICE_ASSIGN(TensorDecl decl, sparse_tensor(field));
      items.emplace_back(std::move(decl.tensor));
    } else if (field.number == 5) {
      SLUICE_ASSIGN(Value item, sequence_value(field, depth + 1));
      items.push_back(std::move(item));
    } else if (field.number == 7) {
      SLUICE_ASSIGN(Value item, optional_value(field, depth + 1));
      items.push_back(std::move(item));
    } else if (field.number == 6) {
      return unsupported("The sequence holds maps, which Sluice does not have");
    }
  }
  return Value::sequence(std::move(items));
}

Result<Value> Reader::optional_value(const Field& message, int depth) {
  SLUICE_TRY(as_bytes_field(message, "OptionalProto"));
  if (depth > caps::kMaxTypeNesting) {
    return invalid_model(cat("The value at byte ", message.offset, " nests deeper than ", depth - 1,
                             " (limit ", caps::kMaxTypeNesting, ")"));
  }
  Value inner;
  WireReader reader(message);
  Field field;
  while (!reader.done()) {
    SLUICE_TRY(reader.next(field));
    if (field.number == 3) {
      SLUICE_ASSIGN(TensorDecl decl, tensor(field));
      inner = Value(std::move(decl.tensor));
    } else if (field.number == 4) {
      SLUICE_ASSIGN(TensorDecl decl, sparse_tensor(field));
      inner = Value(std::move(decl.tensor));
    } else if (field.number == 5) {
      SLUICE_ASSIGN(inner, sequence_value(field, depth + 1));
    } else if (field.number == 7) {
      SLUICE_ASSIGN(inner, optional_value(field, depth + 1));
    } else if (field.number == 6) {
      return unsupported("The optional holds a map, which Sluice does not have");
    }
  }
  return inner.present() ? Value::some(std::move(inner)) : Value::empty_optional();
}

}  // namespace

Result<Model> read_onnx(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        std::string source, const ReadOptions& options) {
  Reader reader(bytes, std::move(owner), &options.external, options.movable);
  Model out;
  out.format = Format::kOnnx;
  out.source = std::move(source);
  auto read = reader.model(out);
  if (options.memory_used != nullptr) *options.memory_used = reader.memory_used();
  if (!read) return std::move(read).error().while_doing(cat("reading ", quoted(out.source, 200)));
  return out;
}

Result<Model> read_onnx_file(const std::string& path) {
  SLUICE_ASSIGN(auto file, MappedFile::open(path));
  ReadOptions options;
  options.external = [folder = folder_of(path)](std::string_view location) {
    return MappedFile::open_inside(folder, location);
  };
  return read_onnx(file->bytes(), file, path, options);
}

Result<Tensor> read_tensor_pb(std::span<const std::byte> bytes) {
  Reader reader(bytes, nullptr, nullptr);
  SLUICE_ASSIGN(TensorDecl decl, reader.tensor(reader.whole()));
  return std::move(decl.tensor);
}

Result<Value> read_value_pb(std::span<const std::byte> bytes, const Type& expected) {
  Reader reader(bytes, nullptr, nullptr);
  switch (expected.kind) {
    case Type::Kind::kSequence:
      return reader.sequence_value(reader.whole(), 1);
    case Type::Kind::kOptional:
      return reader.optional_value(reader.whole(), 1);
    default: {
      SLUICE_ASSIGN(TensorDecl decl, reader.tensor(reader.whole()));
      return Value(std::move(decl.tensor));
    }
  }
}

}  // namespace sluice::format::onnx
