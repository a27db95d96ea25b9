// Value: what flows along an edge at run time: nothing (an absent optional input), a tensor, a
// sequence of values, or an optional (empty or holding one value).
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace sluice {

class Value {
 public:
  enum class Kind : uint8_t { kNone, kTensor, kSequence, kOptional };

  Value() = default;
  Value(Tensor tensor) : kind_(Kind::kTensor), tensor_(std::move(tensor)) {}  // NOLINT
  static Value sequence(std::vector<Value> items) { return {Kind::kSequence, std::move(items)}; }
  static Value empty_optional() { return {Kind::kOptional, {}}; }
  static Value some(Value value) {
    std::vector<Value> items;
    items.push_back(std::move(value));
    return {Kind::kOptional, std::move(items)};
  }

  Kind kind() const { return kind_; }
  bool present() const { return kind_ != Kind::kNone; }
  bool is_tensor() const { return kind_ == Kind::kTensor; }
  const Tensor& tensor() const {
    SLUICE_CHECK(is_tensor());
    return tensor_;
  }
  Tensor& tensor() {
    SLUICE_CHECK(is_tensor());
    return tensor_;
  }
  // Items of a sequence, or the zero or one items of an optional. Shared between copies.
  const std::vector<Value>& items() const {
    SLUICE_CHECK(items_ != nullptr);
    return *items_;
  }

 private:
  Value(Kind kind, std::vector<Value> items)
      : kind_(kind), items_(std::make_shared<const std::vector<Value>>(std::move(items))) {}
  Kind kind_ = Kind::kNone;
  Tensor tensor_;
  std::shared_ptr<const std::vector<Value>> items_;
};

}  // namespace sluice
