#include "format/tflite/tensor_data.h"

#include <cstring>
#include <string>
#include <vector>

#include "base/checked.h"
#include "base/text.h"

namespace sluice::format::tflite {
namespace {

// int32 count, count + 1 int32 offsets from the buffer's start, then the text.
Result<Tensor> string_tensor(const Shape& shape, std::span<const std::byte> bytes) {
  const int64_t elements = shape.elements();
  auto load = [&](uint64_t at) {
    int32_t out = 0;
    if (at + 4 <= bytes.size()) std::memcpy(&out, bytes.data() + at, 4);
    return out;
  };
  if (bytes.size() < 4)
    return invalid_model(cat("A string tensor has ", bytes.size(), " bytes (at least 4)."));
  const int32_t count = load(0);
  if (count < 0 || count != elements) {
    return invalid_model(cat("A string tensor holds ", count, " strings (its shape ", shape.text(),
                             " has ", elements, ")."));
  }
  const uint64_t header = 4 + 4 * (static_cast<uint64_t>(count) + 1);
  if (header > bytes.size()) {
    return invalid_model(cat("A string tensor of ", count, " strings needs ", header,
                             " bytes of offsets (it has ", bytes.size(), ")."));
  }
  std::vector<std::string> values;
  values.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    const int64_t begin = load(4 + 4 * static_cast<uint64_t>(i));
    const int64_t end = load(8 + 4 * static_cast<uint64_t>(i));
    if (begin < static_cast<int64_t>(header) || end < begin ||
        end > static_cast<int64_t>(bytes.size())) {
      return invalid_model(cat("String ", i, " of a string tensor lies at ", begin, " to ", end,
                               ", outside its text (", header, " to ", bytes.size(), ")."));
    }
    values.emplace_back(reinterpret_cast<const char*>(bytes.data() + begin),
                        static_cast<size_t>(end - begin));
  }
  return Tensor::of_strings(shape, values);
}

// One level of a sparse tensor's storage tree.
struct Level {
  bool dense = true;
  int64_t size = 0;               // dense: number of children of each parent
  std::vector<int64_t> segments;  // sparse: children of parent p are [segments[p], segments[p + 1])
  std::vector<int64_t> indices;   // sparse: coordinate of each child
  int64_t stride = 0;             // elements of the dense tensor that a coordinate step moves
  int64_t extent = 0;             // coordinates are below this
};

Result<std::vector<int64_t>> index_vector(const Table& level, int field, std::string_view what) {
  const Table member = level.union_member(field);
  std::vector<int64_t> out;
  if (!member.present()) return invalid_model(cat("A sparse dimension has no ", what, "."));
  out.reserve(member.size(0));
  for (size_t i = 0; i < member.size(0); ++i) out.push_back(member.int_at(0, i));
  return out;
}

class Expander {
 public:
  Expander(std::vector<Level>& levels, std::span<const std::byte> bytes, size_t elem_bytes,
           Tensor& dense)
      : levels_(levels), bytes_(bytes), elem_bytes_(elem_bytes), dense_(dense) {}

  // `node` numbers the nodes of this level's parents, in storage order.
  Result<void> walk(size_t depth, int64_t node, int64_t offset) {
    if (depth == levels_.size()) {
      const uint64_t from = static_cast<uint64_t>(node) * elem_bytes_;
      if (from + elem_bytes_ > bytes_.size()) {
        return invalid_model(cat("A sparse tensor refers to stored element ", node, " (it has ",
                                 bytes_.size() / elem_bytes_, ")."));
      }
      std::memcpy(dense_.mutable_bytes().data() + static_cast<size_t>(offset) * elem_bytes_,
                  bytes_.data() + from, elem_bytes_);
      return {};
    }
    const Level& level = levels_[depth];
    if (level.dense) {
      for (int64_t i = 0; i < level.size; ++i) {
        SLUICE_TRY(walk(depth + 1, node * level.size + i, offset + i * level.stride));
      }
      return {};
    }
    if (static_cast<size_t>(node) + 1 >= level.segments.size()) {
      return invalid_model(cat("A sparse dimension has ", level.segments.size(),
                               " segments (needs ", node + 2, ")."));
    }
    for (int64_t i = level.segments[static_cast<size_t>(node)];
         i < level.segments[static_cast<size_t>(node) + 1]; ++i) {
      SLUICE_TRY(walk(depth + 1, i, offset + level.indices[static_cast<size_t>(i)] * level.stride));
    }
    return {};
  }

 private:
  std::vector<Level>& levels_;
  std::span<const std::byte> bytes_;
  size_t elem_bytes_;
  Tensor& dense_;
};

}  // namespace

Result<Tensor> tensor_from_bytes(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                                 const std::shared_ptr<const void>& owner) {
  const auto elements = shape.checked_elements();
  if (!elements) return invalid_model(cat("The shape ", shape.text(), " has too many elements."));
  if (dtype == DType::kString) return string_tensor(shape, bytes);
  const auto size = storage_bytes(dtype, *elements);
  if (!size || *size != bytes.size()) {
    return invalid_model(cat("The buffer has ", bytes.size(), " bytes (", dtype_name(dtype),
                             shape.text(), " needs ",
                             size ? cat(*size) : std::string("more than can be counted"), ")."));
  }
  if (dtype == DType::kBool) {
    for (const std::byte b : bytes) {
      if (static_cast<uint8_t>(b) <= 1) continue;
      // Any other byte in a C++ bool is undefined behaviour: not zero means true.
      SLUICE_ASSIGN(Tensor copy, Tensor::allocate(dtype, shape));
      for (size_t i = 0; i < bytes.size(); ++i)
        copy.mutable_bytes()[i] = std::byte{bytes[i] != std::byte{0}};
      return copy;
    }
  }
  const size_t align = dtype_bits(dtype) >= 8 ? static_cast<size_t>(dtype_bits(dtype)) / 8 : 1;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % (align > 8 ? 8 : align) != 0) {
    SLUICE_ASSIGN(Tensor copy, Tensor::allocate(dtype, shape));
    if (!bytes.empty()) std::memcpy(copy.mutable_bytes().data(), bytes.data(), bytes.size());
    return copy;
  }
  return Tensor::view(dtype, shape, bytes, owner);
}

Result<Tensor> densified(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                         const Table& table, uint64_t max_dense_bytes) {
  const int bits = dtype_bits(dtype);
  if (bits < 8 || is_complex(dtype)) {
    return unsupported(cat("A sparse tensor of ", dtype_name(dtype), " is not supported."));
  }
  const size_t elem_bytes = static_cast<size_t>(bits) / 8;
  const auto elements = shape.checked_elements();
  if (!elements) return invalid_model(cat("The shape ", shape.text(), " has too many elements."));
  const Checked dense_bytes = Checked::from_signed(*elements) * elem_bytes;
  if (!dense_bytes.fits(max_dense_bytes)) {
    return resource_error(cat("A sparse tensor of shape ", shape.text(), " would be ",
                              dense_bytes.value(), " bytes when made dense (limit ",
                              max_dense_bytes, ")."));
  }
  const size_t rank = static_cast<size_t>(shape.rank());
  const size_t order_size = table.size(sparsity::kTraversalOrder);
  const size_t block_rank = table.size(sparsity::kBlockMap);
  if (order_size != rank + block_rank || table.size(sparsity::kDimMetadata) != order_size ||
      block_rank > rank) {
    return invalid_model(cat("A sparse tensor of rank ", rank, " with ", block_rank,
                             " block dimensions has a traversal order of ", order_size, " and ",
                             table.size(sparsity::kDimMetadata), " dimension records."));
  }
  // Conceptual dimensions: the first `rank` count blocks, the others elements inside a block.
  std::vector<int64_t> block(rank, 1), block_axis;
  std::vector<bool> seen(order_size, false);
  for (size_t i = 0; i < block_rank; ++i) {
    const int64_t axis = table.int_at(sparsity::kBlockMap, i);
    if (axis < 0 || axis >= static_cast<int64_t>(rank)) {
      return invalid_model(cat("A sparse tensor blocks dimension ", axis, " (it has ", rank, ")."));
    }
    block_axis.push_back(axis);
  }
  std::vector<Level> levels(order_size);
  std::vector<int64_t> conceptual(order_size);
  for (size_t i = 0; i < order_size; ++i) {
    const int64_t dim = table.int_at(sparsity::kTraversalOrder, i);
    if (dim < 0 || dim >= static_cast<int64_t>(order_size) || seen[static_cast<size_t>(dim)]) {
      return invalid_model(cat("The traversal order of a sparse tensor names dimension ", dim,
                               " (limit ", order_size, ", each once)."));
    }
    seen[static_cast<size_t>(dim)] = true;
    conceptual[i] = dim;
    const Table record = table.table_at(sparsity::kDimMetadata, i);
    Level& level = levels[i];
    const int64_t format = record.integer(dim_metadata::kFormat);
    if (format != 0 && format != 1)
      return invalid_model(cat("A sparse dimension has format ", format, " (0 or 1)."));
    level.dense = format == 0;
    if (level.dense) {
      level.size = record.integer(dim_metadata::kDenseSize);
      if (level.size < 0)
        return invalid_model(cat("A sparse tensor has a dense dimension of ", level.size, "."));
    } else {
      SLUICE_ASSIGN(level.segments, index_vector(record, dim_metadata::kArraySegments, "segments"));
      SLUICE_ASSIGN(level.indices, index_vector(record, dim_metadata::kArrayIndices, "indices"));
    }
  }
  // Extents: a block's size is that of its (always dense) inner dimension.
  for (size_t i = 0; i < order_size; ++i) {
    const int64_t dim = conceptual[i];
    if (dim < static_cast<int64_t>(rank)) continue;
    if (!levels[i].dense || levels[i].size < 1) {
      return invalid_model("A sparse tensor has a block dimension that is not dense or is empty.");
    }
    block[static_cast<size_t>(block_axis[static_cast<size_t>(dim) - rank])] = levels[i].size;
  }
  const Shape strides = shape.strides();
  Checked work(1);
  for (size_t i = 0; i < order_size; ++i) {
    Level& level = levels[i];
    const size_t dim = static_cast<size_t>(conceptual[i]);
    const int axis =
        static_cast<int>(dim < rank ? dim : static_cast<size_t>(block_axis[dim - rank]));
    const int64_t per_block = block[static_cast<size_t>(axis)];
    if (shape[axis] % per_block != 0) {
      return invalid_model(cat("A sparse tensor of shape ", shape.text(), " has blocks of ",
                               per_block, " in dimension ", axis, "."));
    }
    level.extent = dim < rank ? shape[axis] / per_block : per_block;
    level.stride = strides[axis] * (dim < rank ? per_block : 1);
    if (level.dense) {
      if (level.size != level.extent) {
        return invalid_model(cat("A dense dimension of a sparse tensor has size ", level.size,
                                 " (its shape says ", level.extent, ")."));
      }
      work = work * Checked::from_signed(level.size);
    } else {
      if (level.segments.empty() || level.segments.front() != 0 ||
          level.segments.back() != static_cast<int64_t>(level.indices.size())) {
        return invalid_model("The segments of a sparse dimension do not span its indices.");
      }
      if (!work.fits(level.segments.size() - 1) || work.value() != level.segments.size() - 1) {
        return invalid_model(cat("A sparse dimension has ", level.segments.size() - 1,
                                 " segments (its parents number ", work.value(), ")."));
      }
      for (size_t s = 1; s < level.segments.size(); ++s) {
        if (level.segments[s] < level.segments[s - 1])
          return invalid_model("The segments of a sparse dimension decrease.");
      }
      for (const int64_t index : level.indices) {
        if (index < 0 || index >= level.extent) {
          return invalid_model(cat("A sparse index is ", index, " (limit ", level.extent, ")."));
        }
      }
      work = Checked(level.indices.size());
    }
  }
  // `work` is now the number of stored elements.
  if (!(work * elem_bytes).fits(bytes.size()) || (work * elem_bytes).value() != bytes.size()) {
    return invalid_model(cat("A sparse tensor stores ", bytes.size(), " bytes (its indices need ",
                             (work * elem_bytes).value(), ")."));
  }
  SLUICE_ASSIGN(Tensor dense, Tensor::allocate(dtype, shape));
  if (dense.elements() > 0) SLUICE_TRY(Expander(levels, bytes, elem_bytes, dense).walk(0, 0, 0));
  return dense;
}

}  // namespace sluice::format::tflite
