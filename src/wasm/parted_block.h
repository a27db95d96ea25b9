// PartedBlock: a block of the module's memory that goes in parts. Stretches of it may get owners of
// their own; the units (wasm/pages.h) that no living stretch touches are given back as soon as
// nobody is left who needs them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>

namespace sluice::wasm {

class PartedBlock : public std::enable_shared_from_this<PartedBlock> {
 public:
  // `data` came from sluice_alloc, and is freed with the last owner.
  static std::shared_ptr<PartedBlock> adopt(void* data, size_t bytes);
  ~PartedBlock();

  // Of all bytes that are in no part.
  std::shared_ptr<const void> rest();
  // Disjoint from all others, and taken before the rest goes.
  std::shared_ptr<const void> part(std::span<const std::byte> bytes);

 private:
  PartedBlock(void* data, size_t bytes);
  void let_go(std::map<size_t, size_t>::iterator part);
  void let_go_rest();
  // Units that lie whole in [begin, end) and in neither of the stretches beside it that are free
  // already.
  void give(size_t begin, size_t end, size_t free_before, size_t free_after);

  std::byte* data_ = nullptr;
  size_t bytes_ = 0;                // up to the end of the last unit
  bool in_units_ = false;           // else it goes as a whole
  std::map<size_t, size_t> parts_;  // living: begin to end, as offsets
  bool rest_gone_ = false;
};

}  // namespace sluice::wasm
