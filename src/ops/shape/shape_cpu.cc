// Transpose of elements of 1, 2, 4 and 8 bytes. Neighbouring axes that stay together become one;
// then either the innermost axis stays (rows are copied), or two axes change places: those are
// walked in tiles, so that lines fetched on either side are used whole before they leave the cache.
#include "ops/shape/shape_cpu.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "op/operand.h"
#include "ops/shape/shape.h"
#include "simd/elementwise.h"

namespace sluice::ops::shape {

using plan::KernelContext;

namespace {

// The output's axes, outermost first, with the input's stride of each, in elements.
struct Walk {
  Shape extents, strides;
};

Walk joined(const Shape& shape, const Shape& strides) {
  Walk out;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    const int last = out.extents.rank() - 1;
    if (last >= 0 && out.strides[last] == strides[i] * shape[i]) {
      out.extents[last] *= shape[i];
      out.strides[last] = strides[i];
    } else {
      out.extents.push_back(shape[i]);
      out.strides.push_back(strides[i]);
    }
  }
  if (out.extents.rank() == 0) {
    out.extents.push_back(1);
    out.strides.push_back(1);
  }
  return out;
}

// 32 x 32 elements of up to 8 bytes: 8 KiB on either side.
constexpr int64_t kTile = 32;
constexpr int64_t kPiece = 2048;
constexpr int64_t kGrainBytes = 128 * 1024;

template <class T>
void move(KernelContext& context, const Walk& walk, const T* in, T* out) {
  const int rank = walk.extents.rank();
  const int64_t total = walk.extents.elements();
  const int64_t inner = walk.extents[-1], step = walk.strides[-1];
  const auto input_at = [&](int64_t row, int axes, int skipped) {
    int64_t at = 0;
    for (int i = axes - 1; i >= 0; --i) {
      if (i == skipped) continue;
      at += row % walk.extents[i] * walk.strides[i];
      row /= walk.extents[i];
    }
    return at;
  };
  if (step == 1 || rank == 1) {
    const int64_t grain =
        std::max<int64_t>(1, kGrainBytes / static_cast<int64_t>(sizeof(T)) / inner);
    context.parallel_for(total / inner, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* from = in + input_at(row, rank - 1, -1);
        T* const to = out + row * inner;
        if (step == 1) {
          std::memcpy(to, from, static_cast<size_t>(inner) * sizeof(T));
        } else {
          for (int64_t i = 0; i < inner; ++i) to[i] = from[i * step];
        }
      }
    });
    return;
  }
  // The output axis along which the input is contiguous.
  int along = 0;
  for (int i = 0; i < rank - 1; ++i) {
    if (walk.strides[i] < walk.strides[along]) along = i;
  }
  const int64_t columns = walk.extents[along], column_step = walk.strides[along];
  const Shape out_strides = walk.extents.strides();
  const int64_t out_step = out_strides[along];
  const int64_t strips = (columns + kTile - 1) / kTile;
  const int64_t planes = total / inner / columns;
  // A long row is a task for each of its pieces: a picture's few channels alone would be one.
  const int64_t piece = std::min(inner, kPiece);
  const int64_t pieces = (inner + piece - 1) / piece;
  const int64_t grain = std::max<int64_t>(
      1, kGrainBytes / static_cast<int64_t>(sizeof(T)) / (piece * std::min(columns, kTile)));
  context.parallel_for(planes * strips * pieces, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % pieces * piece, last = std::min(inner, first + piece);
      const int64_t plane = task / pieces / strips;
      const int64_t c0 = task / pieces % strips * kTile, c1 = std::min(columns, c0 + kTile);
      const T* const from = in + input_at(plane, rank - 1, along);
      int64_t out_at = 0, left = plane;
      for (int i = rank - 2; i >= 0; --i) {
        if (i == along) continue;
        out_at += left % walk.extents[i] * out_strides[i];
        left /= walk.extents[i];
      }
      T* const to = out + out_at;
      if constexpr (sizeof(T) == sizeof(float)) {
        // Bits are moved, whatever they mean.
        if (columns == 3 && column_step == 1 && step == 3) {
          simd::split_triples(reinterpret_cast<const float*>(from + first * step),
                              reinterpret_cast<float*>(to + first), out_step, last - first);
          continue;
        }
      }
      for (int64_t r0 = first; r0 < last; r0 += kTile) {
        const int64_t r1 = std::min(last, r0 + kTile);
        for (int64_t c = c0; c < c1; ++c) {
          const T* source = from + c * column_step;
          T* target = to + c * out_step;
          for (int64_t r = r0; r < r1; ++r) target[r] = source[r * step];
        }
      }
    }
  });
}

struct Transposed {
  Shape shape;
  Walk walk;
};
Result<Transposed> plan_transpose(const AttrMap& attrs, const Shape& in) {
  SLUICE_ASSIGN(const std::vector<int> perm, permutation(attrs, in.rank()));
  const Shape in_strides = in.strides();
  Transposed out;
  Shape strides;
  for (const int axis : perm) {
    out.shape.push_back(in[axis]);
    strides.push_back(in_strides[axis]);
  }
  out.walk = joined(out.shape, strides);
  return out;
}

Result<void> transpose_tiled(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* in, op::input_tensor(context, 0));
  SLUICE_ASSIGN(const Transposed* plan, context.kept<Transposed>([&] {
    return plan_transpose(context.attrs(), in->shape());
  }));
  const int bits = dtype_bits(in->dtype());
  if ((bits != 8 && bits != 16 && bits != 32 && bits != 64) || in->elements() == 0) {
    return transpose_reference(context);
  }
  SLUICE_ASSIGN(Tensor * out, context.out(0, in->dtype(), plan->shape));
  const Walk& walk = plan->walk;
  const auto run = [&]<class T>(T) {
    move(context, walk, reinterpret_cast<const T*>(in->bytes().data()),
         reinterpret_cast<T*>(out->mutable_bytes().data()));
  };
  switch (bits) {
    case 8:
      run(uint8_t{});
      break;
    case 16:
      run(uint16_t{});
      break;
    case 32:
      run(uint32_t{});
      break;
    default:
      run(uint64_t{});
      break;
  }
  return {};
}

std::string refuse(const op::NodeView& node) {
  const Type& type = node.input_type(0);
  const int bits = dtype_bits(type.dtype);
  if (!type.is_tensor() || (bits != 8 && bits != 16 && bits != 32 && bits != 64)) {
    return cat("the input is ", type.text(), " (takes elements of 1, 2, 4 or 8 bytes)");
  }
  return {};
}

}  // namespace

const op::CpuCandidate kTransposeCpu[1] = {
    {.kernel = {.name = "transpose.tiled", .run = transpose_tiled}, .refuse = refuse}};

}  // namespace sluice::ops::shape
