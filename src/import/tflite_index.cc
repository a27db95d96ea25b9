// TFLite operators that reduce, search, gather and scatter.

#include <limits>

#include "base/text.h"
#include "import/tflite_scope.h"

namespace sluice::import {

using ir::ValueId;

namespace {

template <const char* kOp>
Result<void> reduce(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId axes, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId y, n.s.emit(kOp, {x, axes},
                                          {{"keepdims", int64_t{n.flag("keep_dims")}},
                                           {"noop_with_empty_axes", int64_t{1}}}));
  return n.set(0, y);
}

constexpr char kReduceMean[] = "ReduceMean";
constexpr char kReduceSum[] = "ReduceSum";
constexpr char kReduceProd[] = "ReduceProd";
constexpr char kReduceMax[] = "ReduceMax";
constexpr char kReduceMin[] = "ReduceMin";

template <bool kMax>
Result<void> arg(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  // Quantization keeps the order: stored elements do.
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  SLUICE_ASSIGN(const auto axis, n.const_ints(1, "axis"));
  if (axis.size() != 1) return n.fail(cat("it has ", axis.size(), " axes (1)"));
  SLUICE_ASSIGN(const ValueId y, n.s.emit(kMax ? "ArgMax" : "ArgMin", {x},
                                          {{"axis", axis[0]}, {"keepdims", int64_t{0}}}));
  return n.set_raw(0, y);
}

Result<void> softmax(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(ValueId x, n.in(0));
  const float beta = n.real("beta", 1);
  if (beta != 1) {
    SLUICE_ASSIGN(x, n.s.emit("Mul", {x, n.s.scalar(DType::kFloat32, beta)}));
  }
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Softmax", {x}, {{"axis", int64_t{-1}}}));
  return n.set(0, y);
}

Result<void> log_softmax(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("LogSoftmax", {x}, {{"axis", int64_t{-1}}}));
  return n.set(0, y);
}

// x / max(sqrt(sum x^2), 1e-6) along the last axis.
Result<void> l2_normalization(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId norm,
                n.s.emit("ReduceL2", {x, n.s.ints({-1})}, {{"keepdims", int64_t{1}}}));
  SLUICE_ASSIGN(const ValueId safe, n.s.emit("Max", {norm, n.s.scalar(DType::kFloat32, 1e-6)}));
  SLUICE_ASSIGN(ValueId y, n.s.emit("Div", {x, safe}));
  SLUICE_ASSIGN(y, n.activated(y));
  return n.set(0, y);
}

Result<void> gather(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  const bool stored = n.alike(0);
  SLUICE_ASSIGN(ValueId x, stored ? n.raw(0) : n.in(0));
  SLUICE_ASSIGN(ValueId indices, n.raw(1));
  int64_t axis = n.number("axis"), batch = n.number("batch_dims");
  ValueId y = ir::kNoValue;
  if (batch == 0) {
    SLUICE_ASSIGN(y, n.s.emit("Gather", {x, indices}, {{"axis", axis}}));
    return stored ? n.set_raw(0, y) : n.set(0, y);
  }
  const auto rank = n.s.rank(x), index_rank = n.s.rank(indices);
  if (!rank || !index_rank)
    return n.no_support("the rank of a batched input is not known before the run");
  if (batch < 0) batch += *index_rank;
  if (axis < 0) axis += *rank;
  if (batch < 0 || batch > axis || axis >= *rank || batch > *index_rank) {
    return n.fail(cat("it has ", batch, " batch axes and gathers along axis ", axis,
                      " (the input has rank ", *rank, ")"));
  }
  // The axis comes right behind the batch axes; what stood between goes back behind the indices.
  std::vector<int64_t> perm;
  for (int64_t i = 0; i < batch; ++i) perm.push_back(i);
  perm.push_back(axis);
  for (int64_t i = batch; i < *rank; ++i) {
    if (i != axis) perm.push_back(i);
  }
  SLUICE_ASSIGN(x, n.s.transpose(x, perm));
  SLUICE_ASSIGN(const ValueId wide, n.s.cast(indices, DType::kInt64));
  SLUICE_ASSIGN(const ValueId tuples, n.s.emit("Unsqueeze", {wide, n.s.ints({-1})}));
  SLUICE_ASSIGN(y, n.s.emit("GatherND", {x, tuples}, {{"batch_dims", batch}}));
  const int64_t between = axis - batch, picked = *index_rank - batch, out_rank = *rank - 1 + picked;
  if (between > 0) {
    // Now: batch, picked, between, rest. Wanted: batch, between, picked, rest.
    std::vector<int64_t> back;
    for (int64_t i = 0; i < batch; ++i) back.push_back(i);
    for (int64_t i = 0; i < between; ++i) back.push_back(batch + picked + i);
    for (int64_t i = 0; i < picked; ++i) back.push_back(batch + i);
    for (int64_t i = batch + picked + between; i < out_rank; ++i) back.push_back(i);
    SLUICE_ASSIGN(y, n.s.transpose(y, back));
  }
  return stored ? n.set_raw(0, y) : n.set(0, y);
}

Result<void> gather_nd(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  const bool stored = n.alike(0);
  SLUICE_ASSIGN(const ValueId x, stored ? n.raw(0) : n.in(0));
  SLUICE_ASSIGN(const ValueId indices, n.raw(1));
  SLUICE_ASSIGN(const ValueId wide, n.s.cast(indices, DType::kInt64));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("GatherND", {x, wide}));
  return stored ? n.set_raw(0, y) : n.set(0, y);
}

// Inputs: indices, updates, shape. Updates of the same place add up.
Result<void> scatter_nd(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(const ValueId indices, n.raw(0));
  SLUICE_ASSIGN(const ValueId wide, n.s.cast(indices, DType::kInt64));
  SLUICE_ASSIGN(const ValueId updates, n.in(1));
  SLUICE_ASSIGN(const ValueId stored, n.raw(2));
  SLUICE_ASSIGN(const ValueId dims, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId zeros, n.s.emit("Expand", {n.s.scalar(n.s.dtype(updates), 0), dims}));
  const bool numeric = n.s.dtype(updates) != DType::kBool;
  SLUICE_ASSIGN(const ValueId y, n.s.emit("ScatterND", {zeros, wide, updates},
                                          {{"reduction", std::string(numeric ? "add" : "none")}}));
  return n.set(0, y);
}

Result<void> topk(TfliteNode& n) {
  SLUICE_TRY(n.need(2, 2));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId k, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const auto made, n.s.emit_many("TopK", {x, k}, 2, {{"axis", int64_t{-1}}}));
  SLUICE_TRY(n.set(0, made[0]));
  return n.set_raw(1, made[1]);
}

// Inputs: indices, depth, on, off.
Result<void> one_hot(TfliteNode& n) {
  SLUICE_TRY(n.need(4));
  SLUICE_ASSIGN(const ValueId indices, n.raw(0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId depth, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId on_stored, n.in(2));
  SLUICE_ASSIGN(const ValueId off_stored, n.in(3));
  SLUICE_ASSIGN(const ValueId on, n.s.reshape(on_stored, std::vector<int64_t>{1}));
  SLUICE_ASSIGN(const ValueId off, n.s.reshape(off_stored, std::vector<int64_t>{1}));
  SLUICE_ASSIGN(const ValueId values, n.s.emit("Concat", {off, on}, {{"axis", int64_t{0}}}));
  // ONNX counts negative indices from the end; TFLite has no one at all there.
  SLUICE_ASSIGN(const ValueId wide, n.s.cast(indices, DType::kInt64));
  SLUICE_ASSIGN(const ValueId negative, n.s.emit("Less", {wide, n.s.scalar(DType::kInt64, 0)}));
  SLUICE_ASSIGN(const ValueId none, n.s.reshape(depth, std::vector<int64_t>{}));
  SLUICE_ASSIGN(const ValueId safe, n.s.emit("Where", {negative, none, wide}));
  SLUICE_ASSIGN(const ValueId y,
                n.s.emit("OneHot", {safe, depth, values}, {{"axis", n.number("axis", -1)}}));
  return n.set(0, y);
}

Result<void> cumsum(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId x, n.in(0));
  SLUICE_ASSIGN(const ValueId stored, n.raw(1));
  SLUICE_ASSIGN(const ValueId wide, n.s.to_int64_vector(stored));
  SLUICE_ASSIGN(const ValueId axis, n.s.reshape(wide, std::vector<int64_t>{}));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("CumSum", {x, axis},
                                          {{"exclusive", int64_t{n.flag("exclusive")}},
                                           {"reverse", int64_t{n.flag("reverse")}}}));
  return n.set(0, y);
}

Result<void> where(TfliteNode& n) {
  SLUICE_TRY(n.need(1));
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  SLUICE_ASSIGN(const ValueId columns, n.s.emit("NonZero", {x}));
  SLUICE_ASSIGN(const ValueId y, n.s.transpose(columns, {1, 0}));
  return n.set_raw(0, y);
}

Result<void> unique(TfliteNode& n) {
  SLUICE_TRY(n.need(1, 2));
  SLUICE_ASSIGN(const ValueId x, n.raw(0));
  SLUICE_ASSIGN(const auto made, n.s.emit_many("Unique", {x}, 3, {{"sorted", int64_t{0}}}));
  SLUICE_TRY(n.set_raw(0, made[0]));
  return n.set_raw(1, made[2]);
}

// Inputs: ids, table.
Result<void> embedding_lookup(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId ids, n.raw(0));
  SLUICE_ASSIGN(const ValueId table, n.in(1));
  SLUICE_ASSIGN(const ValueId y, n.s.emit("Gather", {table, ids}, {{"axis", int64_t{0}}}));
  return n.set(0, y);
}

// data [d0, rest...], ids [d0] -> [count, rest...]
Result<ValueId> segments(TfliteNode& n, ValueId data, ValueId ids, ValueId count,
                         std::string_view reduction, Tensor start) {
  TfliteScope& s = n.s;
  SLUICE_ASSIGN(const ValueId wide, s.cast(ids, DType::kInt64));
  const auto id_rank = s.rank(wide);
  if (!id_rank) return n.no_support("the rank of the segment ids is not known before the run");
  SLUICE_ASSIGN(const ValueId rest, s.emit("Shape", {data}, {{"start", int64_t{*id_rank}}}));
  SLUICE_ASSIGN(const ValueId dims, s.emit("Concat", {count, rest}, {{"axis", int64_t{0}}}));
  SLUICE_ASSIGN(const ValueId base,
                s.emit("Expand", {s.constant("start", std::move(start)), dims}));
  SLUICE_ASSIGN(const ValueId tuples, s.emit("Unsqueeze", {wide, s.ints({-1})}));
  return s.emit("ScatterND", {base, tuples, data}, {{"reduction", std::string(reduction)}});
}

Result<void> segment_sum(TfliteNode& n) {
  SLUICE_TRY(n.need(2));
  SLUICE_ASSIGN(const ValueId data, n.in(0));
  SLUICE_ASSIGN(const ValueId ids, n.raw(1));
  SLUICE_ASSIGN(const ValueId wide, n.s.to_int64_vector(ids));
  SLUICE_ASSIGN(const ValueId last, n.s.emit("ReduceMax", {wide}, {{"keepdims", int64_t{1}}}));
  SLUICE_ASSIGN(const ValueId count, n.s.emit("Add", {last, n.s.ints({1})}));
  SLUICE_ASSIGN(Tensor zero, Tensor::allocate(n.s.dtype(data), Shape{}));
  SLUICE_ASSIGN(const ValueId y, segments(n, data, wide, count, "add", std::move(zero)));
  return n.set(0, y);
}

enum class Fold { kAdd, kMultiply, kMax, kMin };

template <Fold kFold>
Result<void> unsorted_segment(TfliteNode& n) {
  SLUICE_TRY(n.need(3));
  SLUICE_ASSIGN(const ValueId data, n.in(0));
  SLUICE_ASSIGN(const ValueId ids, n.raw(1));
  SLUICE_ASSIGN(const ValueId stored, n.raw(2));
  SLUICE_ASSIGN(const ValueId count, n.s.to_int64_vector(stored));
  const DType dtype = n.s.dtype(data);
  // What an empty segment holds.
  SLUICE_ASSIGN(Tensor start, Tensor::allocate(dtype, Shape{}));
  if (kFold == Fold::kMultiply) start.set_int(0, 1);
  if (kFold == Fold::kMax || kFold == Fold::kMin) {
    if (is_integer(dtype)) {
      start.set_int(
          0, kFold == Fold::kMax ? integer_min(dtype) : static_cast<int64_t>(integer_max(dtype)));
    } else {
      const double largest = std::numeric_limits<float>::max();
      start.set_double(0, kFold == Fold::kMax ? -largest : largest);
    }
  }
  constexpr std::string_view kReduction = kFold == Fold::kAdd        ? "add"
                                          : kFold == Fold::kMultiply ? "mul"
                                          : kFold == Fold::kMax      ? "max"
                                                                     : "min";
  SLUICE_ASSIGN(const ValueId y, segments(n, data, ids, count, kReduction, std::move(start)));
  return n.set(0, y);
}

constexpr TfliteRow kRows[] = {
    {"MEAN", reduce<kReduceMean>},
    {"SUM", reduce<kReduceSum>},
    {"REDUCE_PROD", reduce<kReduceProd>},
    {"REDUCE_MAX", reduce<kReduceMax>},
    {"REDUCE_MIN", reduce<kReduceMin>},
    {"REDUCE_ANY", reduce<kReduceMax>},  // of booleans
    {"REDUCE_ALL", reduce<kReduceMin>},
    {"ARG_MAX", arg<true>},
    {"ARG_MIN", arg<false>},
    {"SOFTMAX", softmax},
    {"LOG_SOFTMAX", log_softmax},
    {"L2_NORMALIZATION", l2_normalization},
    {"GATHER", gather},
    {"GATHER_ND", gather_nd},
    {"SCATTER_ND", scatter_nd},
    {"TOPK_V2", topk},
    {"ONE_HOT", one_hot},
    {"CUMSUM", cumsum},
    {"WHERE", where},
    {"UNIQUE", unique},
    {"EMBEDDING_LOOKUP", embedding_lookup},
    {"SEGMENT_SUM", segment_sum},
    {"UNSORTED_SEGMENT_SUM", unsorted_segment<Fold::kAdd>},
    {"UNSORTED_SEGMENT_PROD", unsorted_segment<Fold::kMultiply>},
    {"UNSORTED_SEGMENT_MAX", unsorted_segment<Fold::kMax>},
    {"UNSORTED_SEGMENT_MIN", unsorted_segment<Fold::kMin>},
};

}  // namespace

std::span<const TfliteRow> tflite_index_rows() { return kRows; }

}  // namespace sluice::import
