// NonMaxSuppression: per image and class, the best-scored boxes such that no two chosen ones
// overlap by more than iou_threshold (intersection over union, strictly greater suppresses).
//
// boxes [N,B,4] are two diagonal corners (y1, x1, y2, x2), or centre and size (x, y, width, height)
// when center_point_box is 1; scores [N,C,B]. The output [selected,3] lists (image, class, box) in
// order of images, then classes, then falling scores; equal scores keep the lower box first. The
// number of rows is known only when the model runs.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "op/op.h"
#include "op/operand.h"
#include "op/reals.h"

namespace sluice::ops::nms {

namespace {

using plan::KernelContext;

struct Box {
  double x1, y1, x2, y2;  // x1 <= x2, y1 <= y2
  double area() const { return (x2 - x1) * (y2 - y1); }
};

Box make_box(const double* numbers, bool centred) {
  if (centred) {
    const double half_w = numbers[2] / 2, half_h = numbers[3] / 2;
    return {numbers[0] - half_w, numbers[1] - half_h, numbers[0] + half_w, numbers[1] + half_h};
  }
  return {std::min(numbers[1], numbers[3]), std::min(numbers[0], numbers[2]),
          std::max(numbers[1], numbers[3]), std::max(numbers[0], numbers[2])};
}

bool overlaps(const Box& a, const Box& b, double threshold) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(width > 0 && height > 0)) return false;
  const double shared = width * height, united = a.area() + b.area() - shared;
  if (!(a.area() > 0 && b.area() > 0 && united > 0)) return false;
  // float32, as boxes and threshold are: a quotient equal to the threshold in that precision stays.
  return static_cast<float>(shared / united) > static_cast<float>(threshold);
}

// The first element of an optional operand.
Result<double> number_or(const KernelContext& context, int i, double fallback) {
  if (!context.has(i)) return fallback;
  SLUICE_ASSIGN(const Tensor* tensor, op::input_tensor(context, i, op::kNumbers));
  return tensor->elements() == 0 ? fallback : tensor->get_double(0);
}

Result<void> reference(KernelContext& context) {
  SLUICE_ASSIGN(const Tensor* boxes, op::input_tensor(context, 0, op::kFloats));
  SLUICE_ASSIGN(const Tensor* scores, op::input_tensor(context, 1, op::kFloats));
  if (boxes->rank() != 3 || boxes->dim(2) != 4 || scores->rank() != 3 ||
      scores->dim(0) != boxes->dim(0) || scores->dim(2) != boxes->dim(1)) {
    return usage_error(cat("Boxes ", boxes->shape().text(), " and scores ", scores->shape().text(),
                           " must be [N,B,4] and [N,C,B]"));
  }
  SLUICE_ASSIGN(const double most, number_or(context, 2, 0));
  SLUICE_ASSIGN(const double iou_threshold, number_or(context, 3, 0));
  const bool filtered = context.has(4) && context.in(4).elements() > 0;
  SLUICE_ASSIGN(const double score_threshold, number_or(context, 4, 0));
  const bool centred = context.attrs().int_or("center_point_box", 0) != 0;
  const int64_t count = boxes->dim(1), classes = scores->dim(1);
  const std::vector<double> numbers = op::reals(*boxes), ranks = op::reals(*scores);

  std::vector<int64_t> rows, order;
  std::vector<Box> chosen;
  for (int64_t n = 0; n < boxes->dim(0); ++n) {
    for (int64_t c = 0; c < classes; ++c) {
      const double* score = ranks.data() + (n * classes + c) * count;
      order.clear();
      for (int64_t b = 0; b < count; ++b) {
        // NaN scores have no place in the order.
        if (std::isnan(score[b]) || (filtered && !(score[b] > score_threshold))) continue;
        order.push_back(b);
      }
      std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return score[a] > score[b]; });
      chosen.clear();
      for (const int64_t b : order) {
        if (static_cast<double>(chosen.size()) >= most) break;
        const Box box = make_box(numbers.data() + (n * count + b) * 4, centred);
        if (std::ranges::any_of(
                chosen, [&](const Box& other) { return overlaps(box, other, iou_threshold); })) {
          continue;
        }
        chosen.push_back(box);
        rows.insert(rows.end(), {n, c, b});
      }
    }
  }
  SLUICE_ASSIGN(Tensor * y,
                context.out(0, DType::kInt64, Shape{static_cast<int64_t>(rows.size() / 3), 3}));
  for (size_t i = 0; i < rows.size(); ++i) y->set_int(static_cast<int64_t>(i), rows[i]);
  return {};
}

Result<void> infer(op::InferContext& context) {
  SLUICE_TRY(op::input_dtype(context, 0, op::kFloats));
  SLUICE_TRY(op::input_dtype(context, 1, op::kFloats));
  for (int i = 0; i < 2; ++i) {
    const Type& type = context.input_type(i);
    if (type.has_rank() && type.dims->size() != 3) {
      return context.fail(cat("input ", i, " is ", type.text(), " (must have rank 3)"));
    }
  }
  context.set_output(0, DType::kInt64, {Dim::unknown(), Dim(3)});
  return {};
}

constexpr op::OpDef kOps[] = {
    {.name = "NonMaxSuppression",
     .min_inputs = 2,
     .max_inputs = 5,
     .infer = infer,
     .reference = reference},
};

}  // namespace

std::span<const op::OpDef> op_defs() { return kOps; }

}  // namespace sluice::ops::nms
