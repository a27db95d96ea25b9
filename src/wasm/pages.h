// Large blocks of the module's memory, in units of 16 KiB, beside wasi-libc's heap. WebAssembly's
// memory never shrinks, so what matters is that it grows by what is missing and no more: a part of
// a block can be given back while the rest is in use (a model's file, weight by weight), a block
// grows in place where it can, and whatever was given back is handed out again first. Not
// thread-safe: callers hold the allocator's lock (threads.cc).
#pragma once

#include <cstddef>

namespace sluice::wasm {

inline constexpr size_t kPageUnit = 16 << 10;
// Smaller blocks would waste too much of their last unit.
inline constexpr size_t kLargeBlock = 8 * kPageUnit;

// Aligned to kPageUnit; null where memory can't grow that far. Contents are arbitrary.
void* take_pages(size_t bytes);
bool is_pages(const void* block);
void give_pages(void* block);
// Makes the block at `block` hold `bytes`, which may move it. Null: as take_pages; nothing changed.
void* resize_pages(void* block, size_t bytes);
// Gives back units of a block: `from` and `bytes` are multiples of kPageUnit. What is left of the
// block is given back by further calls; give_pages is not to be called for it any more.
void give_page_part(void* from, size_t bytes);

}  // namespace sluice::wasm
