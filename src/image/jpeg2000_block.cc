#include "image/jpeg2000_block.h"

#include <algorithm>
#include <array>

namespace sluice::image {

namespace {

// Probability states of the MQ coder (T.800, table C.2).
struct MqState {
  uint16_t qe;
  uint8_t next_mps, next_lps;
  bool swap;
};
constexpr std::array<MqState, 47> kStates = {{
    {0x5601, 1, 1, true},    {0x3401, 2, 6, false},   {0x1801, 3, 9, false},
    {0x0ac1, 4, 12, false},  {0x0521, 5, 29, false},  {0x0221, 38, 33, false},
    {0x5601, 7, 6, true},    {0x5401, 8, 14, false},  {0x4801, 9, 14, false},
    {0x3801, 10, 14, false}, {0x3001, 11, 17, false}, {0x2401, 12, 18, false},
    {0x1c01, 13, 20, false}, {0x1601, 29, 21, false}, {0x5601, 15, 14, true},
    {0x5401, 16, 14, false}, {0x5101, 17, 15, false}, {0x4801, 18, 16, false},
    {0x3801, 19, 17, false}, {0x3401, 20, 18, false}, {0x3001, 21, 19, false},
    {0x2801, 22, 19, false}, {0x2401, 23, 20, false}, {0x2201, 24, 21, false},
    {0x1c01, 25, 22, false}, {0x1801, 26, 23, false}, {0x1601, 27, 24, false},
    {0x1401, 28, 25, false}, {0x1201, 29, 26, false}, {0x1101, 30, 27, false},
    {0x0ac1, 31, 28, false}, {0x09c1, 32, 29, false}, {0x08a1, 33, 30, false},
    {0x0521, 34, 31, false}, {0x0441, 35, 32, false}, {0x02a1, 36, 33, false},
    {0x0221, 37, 34, false}, {0x0141, 38, 35, false}, {0x0111, 39, 36, false},
    {0x0085, 40, 37, false}, {0x0049, 41, 38, false}, {0x0025, 42, 39, false},
    {0x0015, 43, 40, false}, {0x0009, 44, 41, false}, {0x0005, 45, 42, false},
    {0x0001, 45, 43, false}, {0x5601, 46, 46, false},
}};

// Contexts: 0-8 significance, 9-13 sign, 14-16 refinement, then run length and uniform.
constexpr int kSignContext = 9;
constexpr int kRefineContext = 14;
constexpr int kRunContext = 17;
constexpr int kUniformContext = 18;
constexpr int kContexts = 19;

class MqDecoder {
 public:
  explicit MqDecoder(std::span<const std::byte> data) : data_(data) {
    reset_contexts();
    code_ = static_cast<uint32_t>(byte(0)) << 16;
    next_byte();
    code_ <<= 7;
    left_ -= 7;
  }

  void reset_contexts() {
    state_.fill(0);
    mps_.fill(0);
    state_[0] = 4;
    state_[kRunContext] = 3;
    state_[kUniformContext] = 46;
  }

  int decode(int context) {
    const auto c = static_cast<size_t>(context);
    const MqState& state = kStates[state_[c]];
    range_ -= state.qe;
    const bool lower = (code_ >> 16) < state.qe;
    int bit = mps_[c];
    if (!lower) {
      code_ -= static_cast<uint32_t>(state.qe) << 16;
      if ((range_ & 0x8000u) != 0) return bit;
    }
    // The less probable symbol, unless the two sub-intervals have changed order.
    const bool unlikely = lower != (range_ < state.qe);
    if (lower) range_ = state.qe;
    if (unlikely) {
      bit ^= 1;
      if (state.swap) mps_[c] ^= 1;
      state_[c] = state.next_lps;
    } else {
      state_[c] = state.next_mps;
    }
    do {
      if (left_ == 0) next_byte();
      range_ <<= 1;
      code_ <<= 1;
      --left_;
    } while ((range_ & 0x8000u) == 0);
    return bit;
  }

 private:
  uint8_t byte(size_t i) const {
    return i < data_.size() ? std::to_integer<uint8_t>(data_[i]) : 0xff;
  }
  // After 0xff a byte above 0x8f is a marker: it is not consumed, and ones follow for ever.
  void next_byte() {
    if (byte(at_) == 0xff) {
      if (byte(at_ + 1) > 0x8f) {
        code_ += 0xff00;
        left_ = 8;
      } else {
        ++at_;
        code_ += static_cast<uint32_t>(byte(at_)) << 9;
        left_ = 7;
      }
    } else {
      ++at_;
      code_ += static_cast<uint32_t>(byte(at_)) << 8;
      left_ = 8;
    }
  }

  std::span<const std::byte> data_;
  size_t at_ = 0;
  uint32_t code_ = 0, range_ = 0x8000;
  int left_ = 0;
  std::array<uint8_t, kContexts> state_ = {};
  std::array<uint8_t, kContexts> mps_ = {};
};

// Significance context from the numbers of significant neighbours (table D.1).
int significance_context(Subband band, int horizontal, int vertical, int diagonal) {
  if (band == Subband::kHH) {
    const int cross = horizontal + vertical;
    if (diagonal >= 3) return 8;
    if (diagonal == 2) return cross >= 1 ? 7 : 6;
    return (diagonal == 1 ? 3 : 0) + std::min(cross, 2);
  }
  if (band == Subband::kHL) std::swap(horizontal, vertical);
  if (horizontal == 2) return 8;
  if (horizontal == 1) return vertical >= 1 ? 7 : diagonal >= 1 ? 6 : 5;
  if (vertical != 0) return vertical == 2 ? 4 : 3;
  return std::min(diagonal, 2);
}

class BlockDecoder {
 public:
  BlockDecoder(std::span<const std::byte> data, int width, int height, Subband band)
      : mq_(data),
        width_(width),
        height_(height),
        stride_(width + 2),
        band_(band),
        cells_(static_cast<size_t>(width + 2) * static_cast<size_t>(height + 2)) {}

  void run(int planes, int passes, const BlockStyle& style) {
    int pass = 2;  // the first plane has a cleanup pass only
    for (int plane = planes - 1; passes > 0 && plane >= 0; --passes) {
      half_ = 1 << plane;
      if (pass == 0) significance_pass();
      if (pass == 1) refinement_pass();
      if (pass == 2) {
        cleanup_pass();
        if (style.segmentation_symbols) {
          for (int i = 0; i < 4; ++i) mq_.decode(kUniformContext);
        }
      }
      if (style.reset_contexts) mq_.reset_contexts();
      if (++pass == 3) {
        pass = 0;
        --plane;
      }
    }
  }

  std::vector<int32_t> values() const {
    std::vector<int32_t> out;
    out.reserve(static_cast<size_t>(width_) * static_cast<size_t>(height_));
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        const Cell& cell = cells_[index(x, y)];
        out.push_back(cell.negative ? -cell.magnitude : cell.magnitude);
      }
    }
    return out;
  }

 private:
  struct Cell {
    int32_t magnitude = 0;
    bool significant = false, negative = false, visited = false, refined = false;
  };

  // Cells have a border of one on each side, which stays insignificant.
  size_t index(int x, int y) const {
    return static_cast<size_t>(y + 1) * static_cast<size_t>(stride_) + static_cast<size_t>(x + 1);
  }
  int on(size_t i) const { return cells_[i].significant ? 1 : 0; }
  int context(size_t i) const {
    const auto row = static_cast<size_t>(stride_);
    return significance_context(
        band_, on(i - 1) + on(i + 1), on(i - row) + on(i + row),
        on(i - row - 1) + on(i - row + 1) + on(i + row - 1) + on(i + row + 1));
  }
  int lean(size_t i) const { return !cells_[i].significant ? 0 : cells_[i].negative ? -1 : 1; }

  // Sign coding (table D.3): the neighbours' signs choose context and expectation.
  void become_significant(size_t i) {
    const auto row = static_cast<size_t>(stride_);
    const int horizontal = std::clamp(lean(i - 1) + lean(i + 1), -1, 1);
    const int vertical = std::clamp(lean(i - row) + lean(i + row), -1, 1);
    const bool flip = horizontal < 0 || (horizontal == 0 && vertical < 0);
    const int offset = horizontal == 0 ? std::abs(vertical) : 3 + (flip ? -vertical : vertical);
    Cell& cell = cells_[i];
    cell.negative = (mq_.decode(kSignContext + offset) != 0) != flip;
    cell.significant = true;
    cell.magnitude = 3 * half_;
  }

  // body(index, x, y, stripe height) over stripes of four rows, column by column.
  template <class Body>
  void for_each(Body&& body) {
    for (int top = 0; top < height_; top += 4) {
      const int rows = std::min(4, height_ - top);
      for (int x = 0; x < width_; ++x) {
        for (int y = top; y < top + rows; ++y) body(index(x, y));
      }
    }
  }

  void significance_pass() {
    for_each([&](size_t i) {
      if (cells_[i].significant) return;
      const int c = context(i);
      if (c == 0) return;
      if (mq_.decode(c) != 0) become_significant(i);
      cells_[i].visited = true;
    });
  }

  void refinement_pass() {
    for_each([&](size_t i) {
      Cell& cell = cells_[i];
      if (!cell.significant || cell.visited) return;
      const int c = cell.refined ? 2 : context(i) != 0 ? 1 : 0;
      cell.magnitude += mq_.decode(kRefineContext + c) != 0 ? half_ : -half_;
      cell.refined = true;
    });
  }

  void cleanup_pass() {
    for (int top = 0; top < height_; top += 4) {
      const int rows = std::min(4, height_ - top);
      for (int x = 0; x < width_; ++x) {
        int y = 0;
        if (rows == 4 && quiet_column(x, top)) {
          // One decision for all four; then which of them is the first to be significant.
          if (mq_.decode(kRunContext) == 0) continue;
          y = mq_.decode(kUniformContext) << 1;
          y |= mq_.decode(kUniformContext);
          become_significant(index(x, top + y));
          ++y;
        }
        for (; y < rows; ++y) {
          const size_t i = index(x, top + y);
          if (cells_[i].significant || cells_[i].visited) continue;
          if (mq_.decode(context(i)) != 0) become_significant(i);
        }
      }
    }
    for (Cell& cell : cells_) cell.visited = false;
  }

  bool quiet_column(int x, int top) const {
    for (int y = top; y < top + 4; ++y) {
      const size_t i = index(x, y);
      if (cells_[i].significant || cells_[i].visited || context(i) != 0) return false;
    }
    return true;
  }

  MqDecoder mq_;
  int width_, height_, stride_;
  Subband band_;
  int32_t half_ = 0;  // half a step of the current plane; values carry one extra bit
  std::vector<Cell> cells_;
};

}  // namespace

std::vector<int32_t> decode_block(std::span<const std::byte> data, int width, int height,
                                  Subband band, int planes, int passes, const BlockStyle& style) {
  BlockDecoder decoder(data, width, height, band);
  decoder.run(planes, passes, style);
  return decoder.values();
}

}  // namespace sluice::image
