#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::sequence {

using op::Case;
using op::case_floats;

std::vector<Case> cases() {
  std::vector<Case> out;
  const Value a(Tensor::of<float>(Shape{2}, {1, 2})), b(Tensor::of<float>(Shape{3}, {3, 4, 5})),
      c(Tensor::of<float>(Shape{1}, {6}));
  const auto at = [](int64_t i) { return Value(Tensor::scalar(i)); };
  const Value ab = Value::sequence({a, b});
  out.push_back(
      {.name = "construct", .op = "SequenceConstruct", .inputs = {a, b}, .outputs = {ab}});
  out.push_back({.name = "empty", .op = "SequenceEmpty", .outputs = {Value::sequence({})}});
  out.push_back({.name = "at", .op = "SequenceAt", .inputs = {ab, at(1)}, .outputs = {b}});
  out.push_back({.name = "at_end", .op = "SequenceAt", .inputs = {ab, at(-2)}, .outputs = {a}});
  out.push_back({.name = "insert",
                 .op = "SequenceInsert",
                 .inputs = {ab, c},
                 .outputs = {Value::sequence({a, b, c})}});
  for (const int64_t i : {0, -2}) {
    out.push_back({.name = cat("insert_front_", i),
                   .op = "SequenceInsert",
                   .inputs = {ab, c, at(i)},
                   .outputs = {Value::sequence({c, a, b})}});
  }
  out.push_back({.name = "insert_back",
                 .op = "SequenceInsert",
                 .inputs = {ab, c, at(2)},
                 .outputs = {Value::sequence({a, b, c})}});
  out.push_back(
      {.name = "erase", .op = "SequenceErase", .inputs = {ab}, .outputs = {Value::sequence({a})}});
  out.push_back({.name = "erase_first",
                 .op = "SequenceErase",
                 .inputs = {ab, at(-2)},
                 .outputs = {Value::sequence({b})}});
  out.push_back({.name = "length", .op = "SequenceLength", .inputs = {ab}, .outputs = {at(2)}});
  const Tensor in = Tensor::of<float>(Shape{2, 3}, {1, 2, 3, 4, 5, 6});
  out.push_back({.name = "split_by_one",
                 .op = "SplitToSequence",
                 .attrs = {{"axis", int64_t{0}}, {"keepdims", int64_t{0}}},
                 .inputs = {in},
                 .outputs = {Value::sequence({Tensor::of<float>(Shape{3}, {1, 2, 3}),
                                              Tensor::of<float>(Shape{3}, {4, 5, 6})})}});
  out.push_back({.name = "split_by_two",
                 .op = "SplitToSequence",
                 .attrs = {{"axis", int64_t{-1}}},
                 .inputs = {in, at(2)},
                 .outputs = {Value::sequence({Tensor::of<float>(Shape{2, 2}, {1, 2, 4, 5}),
                                              Tensor::of<float>(Shape{2, 1}, {3, 6})})}});
  out.push_back({.name = "split_sizes",
                 .op = "SplitToSequence",
                 .attrs = {{"axis", int64_t{1}}},
                 .inputs = {in, Tensor::of<int64_t>(Shape{3}, {1, 0, 2})},
                 .outputs = {Value::sequence({Tensor::of<float>(Shape{2, 1}, {1, 4}),
                                              Tensor::of<float>(Shape{2, 0}, {}),
                                              Tensor::of<float>(Shape{2, 2}, {2, 3, 5, 6})})}});
  out.push_back({.name = "concat",
                 .op = "ConcatFromSequence",
                 .attrs = {{"axis", int64_t{0}}},
                 .inputs = {ab},
                 .outputs = {Tensor::of<float>(Shape{5}, {1, 2, 3, 4, 5})}});
  for (int64_t axis = -3; axis < 3; ++axis) {
    out.push_back(
        {.name = cat("stack_", axis),
         .op = "ConcatFromSequence",
         .attrs = {{"axis", axis}, {"new_axis", int64_t{1}}},
         .inputs = {Value::sequence({case_floats(Shape{3, 5}), case_floats(Shape{3, 5}, 1)})}});
  }
  out.push_back({.name = "optional", .op = "Optional", .inputs = {a}, .outputs = {Value::some(a)}});
  out.push_back({.name = "optional_none",
                 .op = "Optional",
                 .attrs = {{"type", Type::tensor(DType::kFloat32)}},
                 .outputs = {Value::empty_optional()}});
  out.push_back({.name = "optional_get",
                 .op = "OptionalGetElement",
                 .inputs = {Value::some(a)},
                 .outputs = {a}});
  out.push_back(
      {.name = "optional_get_plain", .op = "OptionalGetElement", .inputs = {ab}, .outputs = {ab}});
  out.push_back({.name = "optional_has",
                 .op = "OptionalHasElement",
                 .inputs = {Value::some(a)},
                 .outputs = {Tensor::scalar(true)}});
  out.push_back({.name = "optional_has_none",
                 .op = "OptionalHasElement",
                 .inputs = {Value::empty_optional()},
                 .outputs = {Tensor::scalar(false)}});
  out.push_back({.name = "optional_has_nothing",
                 .op = "OptionalHasElement",
                 .outputs = {Tensor::scalar(false)}});
  return out;
}

}  // namespace sluice::ops::sequence
