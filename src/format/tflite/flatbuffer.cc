#include "format/tflite/flatbuffer.h"

#include <bit>

#include "base/text.h"

namespace sluice::format::tflite {
namespace {

static_assert(std::endian::native == std::endian::little, "FlatBuffers are little-endian");

// Bytes of a scalar field, or of a vector's element; 4 for anything reached by an offset.
uint64_t elem_bytes(Kind kind) {
  switch (kind) {
    case Kind::kBool:
    case Kind::kInt8:
    case Kind::kUInt8:
    case Kind::kUnionType:
    case Kind::kBools:
    case Kind::kBytes:
      return 1;
    case Kind::kUInt16s:
      return 2;
    case Kind::kInt64:
    case Kind::kUInt64:
    case Kind::kInt64s:
      return 8;
    default:
      return 4;
  }
}

bool is_vector(Kind kind) { return kind >= Kind::kBools; }

class Verifier {
 public:
  Verifier(std::span<const std::byte> file, const FlatbufferLimits& limits)
      : file_(file),
        limits_(limits),
        reach_limit_(file.size() * limits.max_reached_factor + (1 << 20)) {}

  Result<void> table(uint64_t at, const TableDef& def) {
    if (++tables_ > limits_.max_tables) {
      return invalid_model(
          cat("The file has more tables than allowed (limit ", limits_.max_tables, ")."));
    }
    if (at % 4 != 0) return fail(def, at, "starts at an address that is not a multiple of 4");
    if (!inside(at, 4))
      return fail(def, at, cat("starts past the end of the file (", file_.size(), " bytes)"));
    // The signed offset is subtracted: the vtable may stand before or behind its table.
    const int64_t vtable_signed = static_cast<int64_t>(at) - load<int32_t>(at);
    if (vtable_signed < 0 || vtable_signed % 2 != 0 ||
        !inside(static_cast<uint64_t>(vtable_signed), 4)) {
      return fail(def, at,
                  cat("has its vtable at ", vtable_signed, ", outside the file (", file_.size(),
                      " bytes)"));
    }
    const uint64_t vtable = static_cast<uint64_t>(vtable_signed);
    const uint64_t vtable_bytes = load<uint16_t>(vtable);
    const uint64_t table_bytes = load<uint16_t>(vtable + 2);
    if (vtable_bytes < 4 || vtable_bytes % 2 != 0 || !inside(vtable, vtable_bytes)) {
      return fail(def, at,
                  cat("has a vtable of ", vtable_bytes, " bytes at ", vtable,
                      ", which does not fit the file (", file_.size(), " bytes)"));
    }
    if (table_bytes < 4 || !inside(at, table_bytes)) {
      return fail(
          def, at,
          cat("has ", table_bytes, " bytes, which do not fit the file (", file_.size(), " bytes)"));
    }
    for (size_t id = 0; id < def.fields.size(); ++id) {
      const FieldDef& field = def.fields[id];
      const uint64_t slot = 4 + 2 * id;
      if (slot + 2 > vtable_bytes) break;
      const uint64_t offset = load<uint16_t>(vtable + slot);
      if (offset == 0 || field.kind == Kind::kUnused) continue;
      const uint64_t size = elem_bytes_of_field(field.kind);
      if (offset < 4 || offset + size > table_bytes) {
        return fail_field(
            def, field, at,
            cat("lies at offset ", offset, " outside its table (", table_bytes, " bytes)"));
      }
      const uint64_t position = at + offset;
      if (position % size != 0)
        return fail_field(def, field, at, cat("is not aligned to ", size, " bytes"));
      SLUICE_TRY(value(def, field, id, at, vtable, vtable_bytes, table_bytes, position));
    }
    return {};
  }

 private:
  static uint64_t elem_bytes_of_field(Kind kind) { return is_vector(kind) ? 4 : elem_bytes(kind); }

  Result<void> value(const TableDef& def, const FieldDef& field, size_t id, uint64_t at,
                     uint64_t vtable, uint64_t vtable_bytes, uint64_t table_bytes,
                     uint64_t position) {
    switch (field.kind) {
      case Kind::kString: {
        SLUICE_ASSIGN(const uint64_t target, follow(def, field, at, position));
        SLUICE_ASSIGN(const uint64_t length, vector(def, field, at, target, 1));
        if (length > limits_.max_string_bytes) {
          return fail_field(def, field, at,
                            cat("has ", length, " bytes (limit ", limits_.max_string_bytes, ")"));
        }
        if (!inside(target + 4 + length, 1) || load<uint8_t>(target + 4 + length) != 0) {
          return fail_field(def, field, at, "is a string without its closing zero byte");
        }
        return {};
      }
      case Kind::kTable: {
        SLUICE_ASSIGN(const uint64_t target, follow(def, field, at, position));
        return table(target, *field.table);
      }
      case Kind::kTables: {
        SLUICE_ASSIGN(const uint64_t target, follow(def, field, at, position));
        SLUICE_ASSIGN(const uint64_t length, vector(def, field, at, target, 4));
        for (uint64_t i = 0; i < length; ++i) {
          SLUICE_ASSIGN(const uint64_t item, follow(def, field, at, target + 4 + 4 * i));
          SLUICE_TRY(table(item, *field.table));
        }
        return {};
      }
      case Kind::kUnion: {
        // The tag is the field before; a value without a tag is never read.
        const uint64_t tag_slot = 4 + 2 * (id - 1);
        const uint64_t tag_offset =
            tag_slot + 2 <= vtable_bytes ? load<uint16_t>(vtable + tag_slot) : 0;
        const uint64_t tag =
            tag_offset != 0 && tag_offset < table_bytes ? load<uint8_t>(at + tag_offset) : 0;
        if (tag == 0) return {};
        if (tag > field.members.size()) {
          return unsupported(cat("Table ", def.name, " at byte ", at, ": field ", field.name,
                                 " holds kind ", tag, ", which is newer than this reader (limit ",
                                 field.members.size(), ")."));
        }
        SLUICE_ASSIGN(const uint64_t target, follow(def, field, at, position));
        return table(target, *field.members[tag - 1]);
      }
      default:
        if (!is_vector(field.kind)) return {};
        SLUICE_ASSIGN(const uint64_t target, follow(def, field, at, position));
        SLUICE_ASSIGN([[maybe_unused]] const uint64_t length,
                      vector(def, field, at, target, elem_bytes(field.kind)));
        return {};
    }
  }

  // The unsigned offset stored at `position` counts from there.
  Result<uint64_t> follow(const TableDef& def, const FieldDef& field, uint64_t at,
                          uint64_t position) {
    const uint64_t offset = load<uint32_t>(position);
    const uint64_t target = position + offset;
    // FlatBuffers forbid offsets of 2 GiB and more.
    if (offset == 0 || offset > 0x7fffffffu || !inside(target, 4)) {
      return fail_field(
          def, field, at,
          cat("points ", offset, " bytes ahead, outside the file (", file_.size(), " bytes)"));
    }
    return target;
  }

  // Checks a vector (its length, elements inside the file, work so far); returns its length.
  Result<uint64_t> vector(const TableDef& def, const FieldDef& field, uint64_t at, uint64_t target,
                          uint64_t elem) {
    if (target % 4 != 0)
      return fail_field(def, field, at, "is a vector that is not aligned to 4 bytes");
    const uint64_t length = load<uint32_t>(target);
    if (!inside(target + 4, length * elem)) {
      return fail_field(
          def, field, at,
          cat("has ", length, " elements of ", elem, " bytes, more than the file holds (",
              file_.size() - target - 4, " bytes are left)"));
    }
    reached_ += length * elem;
    if (reached_ > reach_limit_) {
      return invalid_model(cat("The file reaches the same vectors again and again (", reached_,
                               " bytes, limit ", reach_limit_, ")."));
    }
    return length;
  }

  bool inside(uint64_t at, uint64_t size) const {
    return at <= file_.size() && size <= file_.size() - at;
  }
  template <class T>
  T load(uint64_t at) const {
    T out{};
    if (inside(at, sizeof(T))) std::memcpy(&out, file_.data() + at, sizeof(T));
    return out;
  }
  static Error fail(const TableDef& def, uint64_t at, std::string_view what) {
    return invalid_model(cat("Table ", def.name, " at byte ", at, " ", what, "."));
  }
  static Error fail_field(const TableDef& def, const FieldDef& field, uint64_t at,
                          std::string_view what) {
    return invalid_model(
        cat("Table ", def.name, " at byte ", at, ": field ", field.name, " ", what, "."));
  }

  std::span<const std::byte> file_;
  const FlatbufferLimits& limits_;
  uint64_t reach_limit_;
  uint64_t tables_ = 0;
  uint64_t reached_ = 0;
};

}  // namespace

Table::Table(std::span<const std::byte> file, uint64_t position, const TableDef* def)
    : file_(file), position_(position), def_(def) {}

uint64_t Table::field_position(int field) const {
  if (def_ == nullptr || field < 0 || static_cast<size_t>(field) >= def_->fields.size()) return 0;
  const int64_t vtable_signed = static_cast<int64_t>(position_) - load<int32_t>(position_);
  if (vtable_signed < 0) return 0;
  const uint64_t vtable = static_cast<uint64_t>(vtable_signed);
  const uint64_t slot = 4 + 2 * static_cast<uint64_t>(field);
  if (slot + 2 > load<uint16_t>(vtable)) return 0;
  const uint64_t offset = load<uint16_t>(vtable + slot);
  return offset == 0 ? 0 : position_ + offset;
}

uint64_t Table::vector_position(int field) const {
  const uint64_t at = field_position(field);
  return at == 0 ? 0 : at + load<uint32_t>(at);
}

int64_t Table::integer(int field) const {
  const uint64_t at = field_position(field);
  const FieldDef& def = def_->fields[static_cast<size_t>(field)];
  if (at == 0) return def.fallback;
  switch (def.kind) {
    case Kind::kBool:
      return load<uint8_t>(at) != 0;
    case Kind::kInt8:
      return load<int8_t>(at);
    case Kind::kUInt8:
    case Kind::kUnionType:
      return load<uint8_t>(at);
    case Kind::kUInt32:
      return load<uint32_t>(at);
    case Kind::kInt64:
    case Kind::kUInt64:
      return load<int64_t>(at);
    default:
      return load<int32_t>(at);
  }
}

uint64_t Table::unsigned_integer(int field) const { return static_cast<uint64_t>(integer(field)); }

float Table::real(int field) const {
  const uint64_t at = field_position(field);
  return at == 0 ? 0.0f : load<float>(at);
}

std::string Table::enum_name(int field) const {
  const int64_t value = integer(field);
  const EnumNames names = def_->fields[static_cast<size_t>(field)].names;
  if (value >= 0 && static_cast<size_t>(value) < names.size()) {
    return std::string(names[static_cast<size_t>(value)]);
  }
  return cat(value);
}

std::string_view Table::string(int field) const {
  const uint64_t at = vector_position(field);
  if (at == 0) return {};
  const uint64_t length = load<uint32_t>(at);
  if (at + 4 > file_.size() || length > file_.size() - at - 4) return {};
  return {reinterpret_cast<const char*>(file_.data() + at + 4), static_cast<size_t>(length)};
}

Table Table::table(int field) const {
  const uint64_t at = vector_position(field);
  return at == 0 ? Table() : Table(file_, at, def_->fields[static_cast<size_t>(field)].table);
}

Table Table::union_member(int field) const {
  const int64_t tag = integer(field - 1);
  const uint64_t at = vector_position(field);
  const auto members = def_->fields[static_cast<size_t>(field)].members;
  if (at == 0 || tag < 1 || static_cast<size_t>(tag) > members.size()) return {};
  return Table(file_, at, members[static_cast<size_t>(tag - 1)]);
}

size_t Table::size(int field) const {
  const uint64_t at = vector_position(field);
  return at == 0 ? 0 : load<uint32_t>(at);
}

int64_t Table::int_at(int field, size_t i) const {
  const uint64_t at = vector_position(field) + 4;
  switch (def_->fields[static_cast<size_t>(field)].kind) {
    case Kind::kBools:
    case Kind::kBytes:
      return load<uint8_t>(at + i);
    case Kind::kUInt16s:
      return load<uint16_t>(at + 2 * i);
    case Kind::kUInt32s:
      return load<uint32_t>(at + 4 * i);
    case Kind::kInt64s:
      return load<int64_t>(at + 8 * i);
    default:
      return load<int32_t>(at + 4 * i);
  }
}

float Table::float_at(int field, size_t i) const {
  return load<float>(vector_position(field) + 4 + 4 * i);
}

Table Table::table_at(int field, size_t i) const {
  const uint64_t at = vector_position(field) + 4 + 4 * i;
  return Table(file_, at + load<uint32_t>(at), def_->fields[static_cast<size_t>(field)].table);
}

std::span<const std::byte> Table::bytes(int field) const {
  const uint64_t at = vector_position(field);
  if (at == 0) return {};
  const uint64_t length = load<uint32_t>(at);
  if (at + 4 > file_.size() || length > file_.size() - at - 4) return {};
  return file_.subspan(static_cast<size_t>(at + 4), static_cast<size_t>(length));
}

Result<Table> verify_flatbuffer(std::span<const std::byte> file, std::string_view identifier,
                                const TableDef& root, const FlatbufferLimits& limits) {
  if (file.size() < 8) {
    return invalid_model(
        cat("The file has ", file.size(), " bytes, too few for a FlatBuffers header (8 bytes)."));
  }
  const std::string_view found(reinterpret_cast<const char*>(file.data() + 4), 4);
  if (found != identifier) {
    return invalid_model(
        cat("The file identifier is ", quoted(found), " (expected ", quoted(identifier), ")."));
  }
  uint32_t offset = 0;
  std::memcpy(&offset, file.data(), 4);
  if (offset < 8)
    return invalid_model(
        cat("The root table is said to start at byte ", offset, ", inside the header (8 bytes)."));
  SLUICE_TRY(Verifier(file, limits).table(offset, root));
  return Table(file, offset, &root);
}

}  // namespace sluice::format::tflite
