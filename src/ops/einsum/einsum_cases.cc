#include "base/text.h"
#include "op/case.h"

namespace sluice::ops::einsum {

using op::Case;
using op::case_floats;
using op::case_ints;

std::vector<Case> cases() {
  std::vector<Case> out;
  struct Row {
    std::string equation;
    std::vector<Shape> shapes;
    bool bench = false;
  };
  const Row rows[] = {
      {"i,i->", {{5}, {5}}},
      {"i,j", {{3}, {4}}},
      {"ij->ji", {{3, 5}}},
      {"ij->i", {{3, 5}}},
      {"ij->", {{3, 5}}},
      {"ii->i", {{4, 4}}},
      {"ii", {{4, 4}}},
      {"iij->j", {{3, 3, 5}}},
      {"ij,jk", {{3, 5}, {5, 7}}},
      {"ij,jk->ik", {{127, 65}, {65, 33}}, true},
      {" i j , j k -> k i ", {{3, 5}, {5, 7}}},
      {"bij,bjk->bik", {{2, 3, 5}, {2, 5, 7}}},
      {"bhqd,bhkd->bhqk", {{2, 3, 17, 16}, {2, 3, 19, 16}}, true},
      {"bhqk,bkhd->bqhd", {{2, 3, 5, 7}, {2, 7, 3, 4}}},
      {"...ij,...jk->...ik", {{2, 1, 3, 5}, {4, 5, 7}}},
      {"...ij->...ji", {{2, 3, 5}}},
      {"...ij", {{2, 3, 5}}},
      {"i...,i...->...", {{3, 1, 5}, {3, 4, 5}}},
      {"...,...->...", {{2, 3}, {3}}},
      {"ij,kl->", {{3, 5}, {2, 7}}},
      {"ij,jk,kl->il", {{3, 5}, {5, 7}, {7, 2}}},
      {"a,ab,abc->abc", {{3}, {3, 5}, {3, 5, 2}}},
      {"ij,jk->ik", {{3, 1}, {5, 7}}},
      {"i,->i", {{5}, {}}},
      {"->", {{}}},
      {"ij,jk->ik", {{3, 0}, {0, 7}}},
      {"aB,Ba->aB", {{3, 4}, {4, 3}}},
      {"Zb->bZ", {{3, 4}}},
      // Few results of many terms, and products that fill tiles in other orders of axes.
      {"ij->", {{30, 40}}},
      {"ij,ij->i", {{3, 700}, {3, 700}}},
      {"ijk,jkl->il", {{2, 35, 9}, {35, 9, 3}}},
      {"bhqk,bkhd->bqhd", {{2, 3, 20, 70}, {2, 70, 3, 17}}},
      {"ji,jk->ki", {{37, 70}, {37, 66}}},
  };
  int number = 0;
  for (const Row& row : rows) {
    for (const DType dtype :
         {DType::kFloat32, DType::kInt32, DType::kFloat64, DType::kFloat16, DType::kInt64}) {
      Case c{.name = cat(number, "_", dtype_name(dtype)),
             .op = "Einsum",
             .attrs = {{"equation", row.equation}},
             .bench = row.bench && dtype == DType::kFloat32};
      for (size_t i = 0; i < row.shapes.size(); ++i) {
        c.inputs.emplace_back(case_ints(dtype, row.shapes[i], -3, 3, static_cast<int>(i)));
      }
      out.push_back(std::move(c));
    }
    ++number;
  }
  const Tensor a = Tensor::of<float>(Shape{2, 2}, {1, 2, 3, 4}),
               b = Tensor::of<float>(Shape{2, 2}, {5, 6, 7, 8});
  const auto golden = [&](std::string equation, std::vector<Value> inputs, Tensor want) {
    out.push_back({.name = "golden_" + equation,
                   .op = "Einsum",
                   .attrs = {{"equation", equation}},
                   .inputs = std::move(inputs),
                   .outputs = {std::move(want)}});
  };
  golden("ij,jk->ik", {a, b}, Tensor::of<float>(Shape{2, 2}, {19, 22, 43, 50}));
  golden("ij,jk", {a, b}, Tensor::of<float>(Shape{2, 2}, {19, 22, 43, 50}));
  golden("ii->", {a}, Tensor::scalar(5.0f));
  golden("ba", {a}, Tensor::of<float>(Shape{2, 2}, {1, 3, 2, 4}));
  golden("ij,ij->j", {a, b}, Tensor::of<float>(Shape{2}, {26, 44}));
  return out;
}

}  // namespace sluice::ops::einsum
