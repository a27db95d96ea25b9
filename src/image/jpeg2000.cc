// JPEG 2000 (ITU-T T.800): JP2 files and bare codestreams. Read: any number of tiles and
// tile-parts, layers, resolutions and precincts; both wavelets; the progressions by layer and by
// resolution (the others where every resolution is one precinct, so that position says nothing); 1,
// 3 or 4 components of equal size and at most 16 bits. Refused by name: subsampled components,
// palettes, regions of interest, packed packet headers, and the code-block styles that split
// codewords.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "image/codecs.h"
#include "image/jpeg2000_block.h"

namespace sluice::image {

namespace {

// Blocks that one tile may have; a hostile header could ask for one per pixel.
constexpr int64_t kMaxBlocks = int64_t{1} << 20;
constexpr int kMaxPlanes = 30;

Error damaged(std::string_view what) { return invalid_model(cat("the JPEG 2000 ", what)); }

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t ceil_shift(int64_t a, int bits) { return (a + (int64_t{1} << bits) - 1) >> bits; }

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}
  size_t left() const { return bytes_.size() - at_; }
  // 0 past the end; `ok` tells.
  uint64_t number(int size) {
    if (left() < static_cast<size_t>(size)) {
      ok_ = false;
      at_ = bytes_.size();
      return 0;
    }
    uint64_t out = 0;
    for (int i = 0; i < size; ++i) out = out << 8 | byte_at(bytes_, at_++);
    return out;
  }
  Bytes take(uint64_t count) {
    if (count > left()) {
      ok_ = false;
      count = left();
    }
    const Bytes out = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += out.size();
    return out;
  }
  bool ok() const { return ok_; }

 private:
  Bytes bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

// --- parameters (annex A)

struct CodingStyle {
  int levels = 0;
  int block_bits_x = 0, block_bits_y = 0;
  bool reversible = true;
  BlockStyle block;
  std::vector<int> precinct_bits_x, precinct_bits_y;  // by resolution
};

struct Quantization {
  int style = 0;  // 0 none, 1 derived from the first, 2 each its own
  int guard_bits = 0;
  std::vector<int> exponents, mantissas;
};

struct Header {
  int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;  // the picture on the reference grid
  int64_t tile_width = 0, tile_height = 0, tile_x0 = 0, tile_y0 = 0;
  int components = 0;
  std::vector<int> depth;
  std::vector<bool> is_signed;
  int progression = 0, layers = 0;
  bool transform_colors = false, start_markers = false, end_markers = false;
  std::vector<CodingStyle> coding;         // by component
  std::vector<Quantization> quantization;  // by component

  int64_t tiles_wide() const { return ceil_div(x1 - tile_x0, tile_width); }
  int64_t tiles_high() const { return ceil_div(y1 - tile_y0, tile_height); }
};

Result<void> read_size(Reader in, Header& out, uint64_t max_pixels) {
  in.number(2);
  out.x1 = static_cast<int64_t>(in.number(4));
  out.y1 = static_cast<int64_t>(in.number(4));
  out.x0 = static_cast<int64_t>(in.number(4));
  out.y0 = static_cast<int64_t>(in.number(4));
  out.tile_width = static_cast<int64_t>(in.number(4));
  out.tile_height = static_cast<int64_t>(in.number(4));
  out.tile_x0 = static_cast<int64_t>(in.number(4));
  out.tile_y0 = static_cast<int64_t>(in.number(4));
  out.components = static_cast<int>(in.number(2));
  if (!in.ok() || out.x1 <= out.x0 || out.y1 <= out.y0 || out.tile_width == 0 ||
      out.tile_height == 0 || out.tile_x0 > out.x0 || out.tile_y0 > out.y0 ||
      out.tile_x0 + out.tile_width <= out.x0 || out.tile_y0 + out.tile_height <= out.y0) {
    return damaged("picture's size makes no sense");
  }
  SLUICE_TRY(check_extent("JPEG 2000", static_cast<uint64_t>(out.x1 - out.x0),
                          static_cast<uint64_t>(out.y1 - out.y0), max_pixels));
  if (out.components != 1 && out.components != 3 && out.components != 4) {
    return unsupported(
        cat("the JPEG 2000 picture has ", out.components, " components (read: 1, 3 or 4)"));
  }
  for (int c = 0; c < out.components; ++c) {
    const auto depth = static_cast<int>(in.number(1));
    const uint64_t step_x = in.number(1), step_y = in.number(1);
    if (step_x != 1 || step_y != 1) {
      return unsupported("the JPEG 2000 picture has subsampled components");
    }
    out.depth.push_back((depth & 0x7f) + 1);
    out.is_signed.push_back((depth & 0x80) != 0);
    if (out.depth.back() > 16) {
      return unsupported(
          cat("the JPEG 2000 picture has ", out.depth.back(), " bits a sample (limit 16)"));
    }
  }
  if (!in.ok()) return damaged("picture's size marker is cut off");
  if (out.tiles_wide() * out.tiles_high() > 65535) return damaged("picture has too many tiles");
  out.coding.resize(static_cast<size_t>(out.components));
  out.quantization.resize(static_cast<size_t>(out.components));
  return {};
}

Result<CodingStyle> read_coding(Reader& in, bool custom_precincts) {
  CodingStyle out;
  out.levels = static_cast<int>(in.number(1));
  out.block_bits_x = static_cast<int>(in.number(1)) + 2;
  out.block_bits_y = static_cast<int>(in.number(1)) + 2;
  const uint64_t style = in.number(1);
  out.reversible = in.number(1) == 1;
  for (int r = 0; r <= std::min(out.levels, 32); ++r) {
    const uint64_t size = custom_precincts ? in.number(1) : 0xff;
    out.precinct_bits_x.push_back(static_cast<int>(size & 15));
    out.precinct_bits_y.push_back(static_cast<int>(size >> 4));
    // Above the lowest resolution a precinct covers half as many coefficients of each band.
    if (r > 0 && (out.precinct_bits_x.back() == 0 || out.precinct_bits_y.back() == 0)) {
      return damaged("precincts are too small");
    }
  }
  if (!in.ok() || out.levels > 32 || out.block_bits_x > 10 || out.block_bits_y > 10 ||
      out.block_bits_x + out.block_bits_y > 12) {
    return damaged("coding style makes no sense");
  }
  out.block.reset_contexts = (style & 0x02) != 0;
  out.block.segmentation_symbols = (style & 0x20) != 0;
  if ((style & 0x0d) != 0) {
    return unsupported(cat("the JPEG 2000 code-block style ", style, " is not read here"));
  }
  return out;
}

Result<Quantization> read_quantization(Reader& in) {
  Quantization out;
  const auto style = static_cast<int>(in.number(1));
  out.style = style & 31;
  out.guard_bits = style >> 5;
  if (out.style > 2) return damaged("quantization style is unknown");
  while (in.left() > 0) {
    const auto value = static_cast<int>(in.number(out.style == 0 ? 1 : 2));
    out.exponents.push_back(out.style == 0 ? value >> 3 : value >> 11);
    out.mantissas.push_back(out.style == 0 ? 0 : value & 0x7ff);
  }
  if (!in.ok() || out.exponents.empty()) return damaged("quantization marker is cut off");
  return out;
}

// One of the markers that may stand in the main header and in a tile's first part.
Result<void> read_parameters(uint64_t marker, Reader in, Header& out) {
  const auto component = [&]() -> Result<size_t> {
    const uint64_t c = in.number(1);  // one byte while there are fewer than 257 components
    if (!in.ok() || c >= out.coding.size()) return damaged("marker names a missing component");
    return static_cast<size_t>(c);
  };
  switch (marker) {
    case 0xff52: {  // COD
      const uint64_t style = in.number(1);
      out.progression = static_cast<int>(in.number(1));
      out.layers = static_cast<int>(in.number(2));
      out.transform_colors = in.number(1) != 0;
      out.start_markers = (style & 2) != 0;
      out.end_markers = (style & 4) != 0;
      SLUICE_ASSIGN(const CodingStyle coding, read_coding(in, (style & 1) != 0));
      if (out.progression > 4 || out.layers == 0) return damaged("coding style makes no sense");
      std::ranges::fill(out.coding, coding);
      return {};
    }
    case 0xff53: {  // COC
      SLUICE_ASSIGN(const size_t c, component());
      const uint64_t style = in.number(1);
      SLUICE_ASSIGN(out.coding[c], read_coding(in, (style & 1) != 0));
      return {};
    }
    case 0xff5c: {  // QCD
      SLUICE_ASSIGN(const Quantization quantization, read_quantization(in));
      std::ranges::fill(out.quantization, quantization);
      return {};
    }
    case 0xff5d: {  // QCC
      SLUICE_ASSIGN(const size_t c, component());
      SLUICE_ASSIGN(out.quantization[c], read_quantization(in));
      return {};
    }
    case 0xff5e:  // RGN
    case 0xff5f:  // POC
    case 0xff60:  // PPM
    case 0xff61:  // PPT
      return unsupported(cat("the JPEG 2000 marker ", marker, " is not read here"));
    default:
      return {};  // comments, lengths and the like
  }
}

// --- packets (annex B)

// Reads the bits of packet headers: after a byte of 0xff only seven follow.
class HeaderBits {
 public:
  explicit HeaderBits(Bytes bytes) : bytes_(bytes) {}
  int bit() {
    if (left_ == 0) {
      if (at_ >= bytes_.size()) {
        ok_ = false;
        return 0;
      }
      left_ = last_ == 0xff ? 7 : 8;
      last_ = byte_at(bytes_, at_++);
    }
    --left_;
    return last_ >> left_ & 1;
  }
  int bits(int count) {
    int out = 0;
    for (int i = 0; i < count; ++i) out = out << 1 | bit();
    return out;
  }
  // Bytes used, the stuffed one after a final 0xff included.
  size_t finish() const { return std::min(at_ + (last_ == 0xff ? 1 : 0), bytes_.size()); }
  bool ok() const { return ok_; }

 private:
  Bytes bytes_;
  size_t at_ = 0;
  int last_ = 0, left_ = 0;
  bool ok_ = true;
};

// A quadtree of minima, each told only as far as needed (section B.10.2).
class TagTree {
 public:
  TagTree() = default;
  TagTree(int width, int height) {
    while (true) {
      levels_.push_back(
          {width, std::vector<Node>(static_cast<size_t>(width) * static_cast<size_t>(height))});
      if (width * height <= 1) break;
      width = (width + 1) / 2;
      height = (height + 1) / 2;
    }
  }
  // Whether the leaf's value is below `threshold`.
  bool below(HeaderBits& bits, int x, int y, int threshold) {
    int low = 0;
    for (size_t level = levels_.size(); level-- > 0;) {
      const int at = (y >> level) * levels_[level].width + (x >> level);
      Node& node = levels_[level].nodes[static_cast<size_t>(at)];
      node.low = std::max(node.low, low);
      while (node.low < threshold && !node.known && bits.ok()) {
        if (bits.bit() != 0) {
          node.known = true;
        } else {
          ++node.low;
        }
      }
      low = node.low;
      if (level == 0) return node.known && node.low < threshold;
    }
    return false;
  }

 private:
  struct Node {
    int low = 0;
    bool known = false;
  };
  struct Level {
    int width = 0;
    std::vector<Node> nodes;
  };
  std::vector<Level> levels_;
};

struct Block {
  int x = 0, y = 0, width = 0, height = 0;  // within the band
  bool included = false;
  int zero_planes = 0, length_bits = 3, passes = 0;
  std::vector<std::byte> data;
};

struct Precinct {
  int wide = 0, high = 0;
  std::vector<Block> blocks;
  TagTree inclusion, zero_planes;
};

struct Band {
  Subband kind = Subband::kLL;
  int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  int planes = 0;   // M_b: bit planes that a magnitude may have
  double step = 1;  // of the quantizer
  std::vector<Precinct> precincts;

  int width() const { return static_cast<int>(x1 - x0); }
  int height() const { return static_cast<int>(y1 - y0); }
};

struct Resolution {
  int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  int64_t precincts = 0;
  std::vector<Band> bands;

  int width() const { return static_cast<int>(x1 - x0); }
  int height() const { return static_cast<int>(y1 - y0); }
};

struct Tile {
  int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  std::vector<std::vector<Resolution>> components;
  int64_t blocks = 0;
};

// The code-blocks of one precinct in one band; [x0, x1) x [y0, y1) is their common area.
Precinct make_precinct(const Band& band, int64_t x0, int64_t y0, int64_t x1, int64_t y1, int bits_x,
                       int bits_y) {
  Precinct out;
  if (x1 <= x0 || y1 <= y0) return out;
  const int64_t first_x = x0 >> bits_x, first_y = y0 >> bits_y;
  out.wide = static_cast<int>(ceil_shift(x1, bits_x) - first_x);
  out.high = static_cast<int>(ceil_shift(y1, bits_y) - first_y);
  for (int j = 0; j < out.high; ++j) {
    for (int i = 0; i < out.wide; ++i) {
      const int64_t left = std::max(x0, (first_x + i) << bits_x);
      const int64_t top = std::max(y0, (first_y + j) << bits_y);
      const int64_t right = std::min(x1, (first_x + i + 1) << bits_x);
      const int64_t bottom = std::min(y1, (first_y + j + 1) << bits_y);
      Block block;
      block.x = static_cast<int>(left - band.x0);
      block.y = static_cast<int>(top - band.y0);
      block.width = static_cast<int>(right - left);
      block.height = static_cast<int>(bottom - top);
      out.blocks.push_back(std::move(block));
    }
  }
  out.inclusion = TagTree(out.wide, out.high);
  out.zero_planes = TagTree(out.wide, out.high);
  return out;
}

Result<void> set_quantizer(Band& band, const Quantization& quantization, bool reversible, int depth,
                           size_t index) {
  const bool derived = quantization.style == 1;
  const size_t at = derived ? 0 : index;
  if (at >= quantization.exponents.size()) return damaged("quantization has too few bands");
  int exponent = quantization.exponents[at];
  // Derived: each level down from the lowest band costs one.
  if (derived && index > 0) exponent -= (static_cast<int>(index) - 1) / 3;
  band.planes = quantization.guard_bits + exponent - 1;
  if (band.planes < 0 || band.planes > kMaxPlanes) {
    return unsupported(
        cat("the JPEG 2000 picture has ", band.planes, " bit planes (limit ", kMaxPlanes, ")"));
  }
  if (!reversible) {
    const int gain = band.kind == Subband::kLL ? 0 : band.kind == Subband::kHH ? 2 : 1;
    band.step = std::ldexp(1 + quantization.mantissas[at] / 2048.0, depth + gain - exponent);
  }
  return {};
}

Result<std::vector<Resolution>> make_component(const Tile& tile, const CodingStyle& coding,
                                               const Quantization& quantization, int depth,
                                               int64_t& blocks) {
  std::vector<Resolution> out;
  for (int r = 0; r <= coding.levels; ++r) {
    Resolution res;
    const int down = coding.levels - r;
    res.x0 = ceil_shift(tile.x0, down);
    res.y0 = ceil_shift(tile.y0, down);
    res.x1 = ceil_shift(tile.x1, down);
    res.y1 = ceil_shift(tile.y1, down);
    const int bits_x = coding.precinct_bits_x[static_cast<size_t>(r)];
    const int bits_y = coding.precinct_bits_y[static_cast<size_t>(r)];
    const int64_t first_x = res.x0 >> bits_x, first_y = res.y0 >> bits_y;
    const int64_t wide = res.x1 > res.x0 ? ceil_shift(res.x1, bits_x) - first_x : 0;
    const int64_t high = res.y1 > res.y0 ? ceil_shift(res.y1, bits_y) - first_y : 0;
    res.precincts = wide * high;
    blocks += res.precincts;
    if (blocks > kMaxBlocks) return unsupported("the JPEG 2000 picture has too many precincts");
    for (int b = r == 0 ? 0 : 1; b < (r == 0 ? 1 : 4); ++b) {
      Band band;
      band.kind = static_cast<Subband>(b);
      // The band's coefficients lie at odd places where its filter is the high-pass.
      const int level = r == 0 ? down : down + 1;
      const int64_t shift_x = (b & 1) != 0 ? int64_t{1} << (level - 1) : 0;
      const int64_t shift_y = (b & 2) != 0 ? int64_t{1} << (level - 1) : 0;
      const auto place = [&](int64_t at, int64_t shift) {
        return at > shift ? ceil_shift(at - shift, level) : 0;
      };
      band.x0 = place(tile.x0, shift_x);
      band.x1 = place(tile.x1, shift_x);
      band.y0 = place(tile.y0, shift_y);
      band.y1 = place(tile.y1, shift_y);
      const size_t index = r == 0 ? 0 : static_cast<size_t>(3 * (r - 1) + b);
      SLUICE_TRY(set_quantizer(band, quantization, coding.reversible, depth, index));
      const int part_x = r == 0 ? bits_x : bits_x - 1, part_y = r == 0 ? bits_y : bits_y - 1;
      const int block_x = std::min(coding.block_bits_x, part_x);
      const int block_y = std::min(coding.block_bits_y, part_y);
      blocks += (((band.x1 - band.x0) >> block_x) + 1) * (((band.y1 - band.y0) >> block_y) + 1);
      if (blocks > kMaxBlocks) return unsupported("the JPEG 2000 picture has too many blocks");
      for (int64_t j = 0; j < high; ++j) {
        for (int64_t i = 0; i < wide; ++i) {
          band.precincts.push_back(make_precinct(band, std::max(band.x0, (first_x + i) << part_x),
                                                 std::max(band.y0, (first_y + j) << part_y),
                                                 std::min(band.x1, (first_x + i + 1) << part_x),
                                                 std::min(band.y1, (first_y + j + 1) << part_y),
                                                 block_x, block_y));
        }
      }
      res.bands.push_back(std::move(band));
    }
    out.push_back(std::move(res));
  }
  return out;
}

int read_passes(HeaderBits& bits) {
  if (bits.bit() == 0) return 1;
  if (bits.bit() == 0) return 2;
  const int two = bits.bits(2);
  if (two < 3) return 3 + two;
  const int five = bits.bits(5);
  if (five < 31) return 6 + five;
  return 37 + bits.bits(7);
}

// One packet: what one layer adds to one precinct. Returns what is left of `data`.
Result<Bytes> read_packet(Bytes data, const Header& header, Resolution& resolution, size_t precinct,
                          int layer) {
  const auto starts_with = [&](uint8_t low) {
    return data.size() >= 2 && byte_at(data, 0) == 0xff && byte_at(data, 1) == low;
  };
  if (header.start_markers && starts_with(0x91)) {
    data = data.subspan(std::min<size_t>(6, data.size()));
  }
  HeaderBits bits(data);
  std::vector<std::pair<Block*, size_t>> added;
  if (bits.bit() != 0) {
    for (Band& band : resolution.bands) {
      Precinct& place = band.precincts[precinct];
      for (size_t n = 0; n < place.blocks.size(); ++n) {
        Block& block = place.blocks[n];
        const int x = static_cast<int>(n) % place.wide, y = static_cast<int>(n) / place.wide;
        if (block.included) {
          if (bits.bit() == 0) continue;
        } else {
          if (!place.inclusion.below(bits, x, y, layer + 1)) continue;
          int planes = 1;
          while (!place.zero_planes.below(bits, x, y, planes) && bits.ok()) ++planes;
          block.zero_planes = planes - 1;
          if (block.zero_planes > band.planes) return damaged("block has too many empty planes");
          block.included = true;
        }
        const int passes = read_passes(bits);
        while (bits.bit() != 0) {
          if (++block.length_bits > 30) return damaged("block's length is absurd");
        }
        int width = block.length_bits;
        for (int p = passes; p > 1; p >>= 1) ++width;
        if (width > 31) return damaged("block's length is absurd");
        const auto length = static_cast<size_t>(bits.bits(width));
        if (!bits.ok()) return damaged("packet header is cut off");
        block.passes += passes;
        added.emplace_back(&block, length);
      }
    }
  }
  if (!bits.ok()) return damaged("packet header is cut off");
  data = data.subspan(bits.finish());
  if (header.end_markers && starts_with(0x92)) data = data.subspan(2);
  for (const auto& [block, length] : added) {
    // A file that ends early still shows what it has.
    const Bytes part = data.first(std::min(length, data.size()));
    block->data.insert(block->data.end(), part.begin(), part.end());
    data = data.subspan(part.size());
  }
  return data;
}

// All packets in the order of the progression, until the data end.
Result<void> read_packets(Bytes data, const Header& header, Tile& tile) {
  int resolutions = 0;
  bool single_precincts = true;
  for (const auto& component : tile.components) {
    resolutions = std::max(resolutions, static_cast<int>(component.size()));
    for (const Resolution& r : component) single_precincts = single_precincts && r.precincts <= 1;
  }
  if (header.progression > 1 && !single_precincts) {
    return unsupported("the JPEG 2000 packets are ordered by position");
  }
  const auto components = static_cast<int>(tile.components.size());
  const auto packets = [&](int layer, int r, int c) -> Result<void> {
    auto& component = tile.components[static_cast<size_t>(c)];
    if (r >= static_cast<int>(component.size())) return {};
    Resolution& resolution = component[static_cast<size_t>(r)];
    for (int64_t k = 0; k < resolution.precincts && !data.empty(); ++k) {
      SLUICE_ASSIGN(data, read_packet(data, header, resolution, static_cast<size_t>(k), layer));
    }
    return {};
  };
  // Three nested loops over layer, resolution and component. With single precincts the orders by
  // position fall into the same scheme.
  enum { kLayer, kResolution, kComponent };
  constexpr int kOrders[5][3] = {{kLayer, kResolution, kComponent},
                                 {kResolution, kLayer, kComponent},
                                 {kResolution, kComponent, kLayer},
                                 {kComponent, kResolution, kLayer},
                                 {kComponent, kResolution, kLayer}};
  const auto& order = kOrders[header.progression];
  const int counts[3] = {header.layers, resolutions, components};
  int at[3] = {};
  for (at[order[0]] = 0; at[order[0]] < counts[order[0]]; ++at[order[0]]) {
    for (at[order[1]] = 0; at[order[1]] < counts[order[1]]; ++at[order[1]]) {
      for (at[order[2]] = 0; at[order[2]] < counts[order[2]]; ++at[order[2]]) {
        if (data.empty()) return {};
        SLUICE_TRY(packets(at[kLayer], at[kResolution], at[kComponent]));
      }
    }
  }
  return {};
}

// --- wavelets (annex F)

// One line whose first sample stands at an even or odd place; outside it mirrors about its ends.
template <class T>
class Line {
 public:
  Line(T* values, int length, bool odd) : v_(values), n_(length), odd_(odd) {}

  // v[k] = step(v[k], left, right) at every place of the given parity.
  template <class Step>
  void lift(bool odd, Step&& step) {
    for (int k = odd != odd_ ? 1 : 0; k < n_; k += 2) {
      v_[k] = step(v_[k], v_[k > 0 ? k - 1 : 1], v_[k + 1 < n_ ? k + 1 : n_ - 2]);
    }
  }
  void scale(bool odd, T factor) {
    for (int k = odd != odd_ ? 1 : 0; k < n_; k += 2) v_[k] *= factor;
  }
  int length() const { return n_; }
  bool odd() const { return odd_; }
  T& first() { return v_[0]; }

 private:
  T* v_;
  int n_;
  bool odd_;
};

void synthesize(Line<int32_t> line) {
  if (line.length() == 0) return;
  if (line.length() == 1) {
    if (line.odd()) line.first() >>= 1;
    return;
  }
  line.lift(false, [](int32_t v, int32_t a, int32_t b) { return v - ((a + b + 2) >> 2); });
  line.lift(true, [](int32_t v, int32_t a, int32_t b) { return v + ((a + b) >> 1); });
}

void synthesize(Line<float> line) {
  if (line.length() == 0) return;
  if (line.length() == 1) {
    if (line.odd()) line.first() *= 0.5f;
    return;
  }
  constexpr float kScale = 1.230174104914001f;
  line.scale(false, kScale);
  line.scale(true, 1 / kScale);
  const auto step = [&](bool odd, float factor) {
    line.lift(odd, [=](float v, float a, float b) { return v - factor * (a + b); });
  };
  step(false, 0.443506852043971f);
  step(true, 0.882911075530934f);
  step(false, -0.052980118572961f);
  step(true, -1.586134342059924f);
}

// Coefficients of every block of a band, in place.
template <class T>
Result<Array<T>> decode_band(const Band& band, const BlockStyle& style) {
  SLUICE_ASSIGN(Array<T> out, Array<T>::zeros(static_cast<size_t>(band.width()) *
                                              static_cast<size_t>(band.height())));
  for (const Precinct& precinct : band.precincts) {
    for (const Block& block : precinct.blocks) {
      if (!block.included) continue;
      const auto values = decode_block(block.data, block.width, block.height, band.kind,
                                       band.planes - block.zero_planes, block.passes, style);
      const int32_t* from = values.data();
      for (int y = 0; y < block.height; ++y) {
        T* to = out.data() + static_cast<size_t>(block.y + y) * static_cast<size_t>(band.width()) +
                block.x;
        for (int x = 0; x < block.width; ++x, ++from) {
          // The extra bit: dropped for integers, half a step for floats.
          if constexpr (std::is_same_v<T, int32_t>) {
            to[x] = *from / 2;
          } else {
            to[x] = static_cast<float>(*from * 0.5 * band.step);
          }
        }
      }
    }
  }
  return out;
}

template <class T>
Result<Array<T>> reconstruct(const std::vector<Resolution>& resolutions, const BlockStyle& style) {
  SLUICE_ASSIGN(Array<T> low, decode_band<T>(resolutions[0].bands[0], style));
  for (size_t r = 1; r < resolutions.size(); ++r) {
    const Resolution& to = resolutions[r];
    const auto width = static_cast<size_t>(to.width()), height = static_cast<size_t>(to.height());
    SLUICE_ASSIGN(Array<T> out, Array<T>::zeros(width * height));
    // The four bands interleave: coefficient n of a band stands at 2 n, or 2 n + 1 behind a
    // high-pass filter.
    const auto weave = [&](const Array<T>& from, int64_t x0, int64_t y0, int64_t x1, int64_t y1,
                           int odd_x, int odd_y) {
      size_t n = 0;
      for (int64_t y = y0; y < y1; ++y) {
        for (int64_t x = x0; x < x1; ++x, ++n) {
          const int64_t column = 2 * x + odd_x - to.x0, row = 2 * y + odd_y - to.y0;
          out.data()[static_cast<size_t>(row) * width + static_cast<size_t>(column)] =
              from.data()[n];
        }
      }
    };
    const Resolution& below = resolutions[r - 1];
    weave(low, below.x0, below.y0, below.x1, below.y1, 0, 0);
    for (const Band& band : to.bands) {
      SLUICE_ASSIGN(const Array<T> values, decode_band<T>(band, style));
      weave(values, band.x0, band.y0, band.x1, band.y1, static_cast<int>(band.kind) & 1,
            static_cast<int>(band.kind) >> 1);
    }
    for (size_t y = 0; y < height; ++y) {
      synthesize(Line<T>(out.data() + y * width, to.width(), (to.x0 & 1) != 0));
    }
    std::vector<T> column(height);
    for (size_t x = 0; x < width; ++x) {
      for (size_t y = 0; y < height; ++y) column[y] = out.data()[y * width + x];
      synthesize(Line<T>(column.data(), to.height(), (to.y0 & 1) != 0));
      for (size_t y = 0; y < height; ++y) out.data()[y * width + x] = column[y];
    }
    low = std::move(out);
  }
  return low;
}

// --- tiles

// The inverse colour transforms (annex G).
void mix(int32_t& a, int32_t& b, int32_t& c) {
  const int32_t green = a - ((b + c) >> 2);
  const int32_t red = c + green, blue = b + green;
  a = red;
  b = green;
  c = blue;
}
void mix(float& a, float& b, float& c) {
  const float y = a, blue = b, red = c;
  a = y + 1.402f * red;
  b = y - 0.344136f * blue - 0.714136f * red;
  c = y + 1.772f * blue;
}

template <class T>
Result<void> paint(const Header& header, const Tile& tile, Image& image) {
  std::vector<Array<T>> planes;
  for (size_t c = 0; c < tile.components.size(); ++c) {
    SLUICE_ASSIGN(Array<T> plane, reconstruct<T>(tile.components[c], header.coding[c].block));
    planes.push_back(std::move(plane));
  }
  const auto width = static_cast<size_t>(tile.x1 - tile.x0);
  const auto count = width * static_cast<size_t>(tile.y1 - tile.y0);
  if (header.transform_colors && planes.size() >= 3) {
    for (size_t i = 0; i < count; ++i) {
      mix(planes[0].data()[i], planes[1].data()[i], planes[2].data()[i]);
    }
  }
  for (size_t c = 0; c < planes.size(); ++c) {
    const int depth = header.depth[c];
    const int64_t top = (int64_t{1} << depth) - 1;
    const int64_t middle = int64_t{1} << (depth - 1);
    for (size_t i = 0; i < count; ++i) {
      int64_t value = 0;
      if constexpr (std::is_same_v<T, int32_t>) {
        value = planes[c].data()[i];
      } else {
        const float sample = planes[c].data()[i];
        value = std::isfinite(sample) ? std::lround(std::clamp(sample, -1e6f, 1e6f)) : 0;
      }
      value = std::clamp<int64_t>(value + middle, 0, top);
      if (depth > 8) value >>= depth - 8;
      if (depth < 8) value = (value * 255 + top / 2) / top;
      const auto x = static_cast<size_t>(tile.x0 - header.x0) + i % width;
      const auto y = static_cast<int>(tile.y0 - header.y0 + static_cast<int64_t>(i / width));
      image.row(y)[x * planes.size() + c] = static_cast<uint8_t>(value);
    }
  }
  return {};
}

Result<void> decode_tile(Bytes data, const Header& header, int64_t index, Image& image) {
  Tile tile;
  const int64_t column = index % header.tiles_wide(), row = index / header.tiles_wide();
  tile.x0 = std::max(header.tile_x0 + column * header.tile_width, header.x0);
  tile.y0 = std::max(header.tile_y0 + row * header.tile_height, header.y0);
  tile.x1 = std::min(header.tile_x0 + (column + 1) * header.tile_width, header.x1);
  tile.y1 = std::min(header.tile_y0 + (row + 1) * header.tile_height, header.y1);
  bool reversible = true;
  for (size_t c = 0; c < header.coding.size(); ++c) {
    SLUICE_ASSIGN(auto component, make_component(tile, header.coding[c], header.quantization[c],
                                                 header.depth[c], tile.blocks));
    tile.components.push_back(std::move(component));
    if (c > 0 && header.coding[c].reversible != reversible) {
      return unsupported("the JPEG 2000 components are coded with different wavelets");
    }
    reversible = header.coding[c].reversible;
  }
  SLUICE_TRY(read_packets(data, header, tile));
  return reversible ? paint<int32_t>(header, tile, image) : paint<float>(header, tile, image);
}

Result<Decoded> decode_codestream(Bytes bytes, uint64_t max_pixels) {
  Reader in(bytes);
  in.number(2);  // start of codestream
  Header overall;
  struct Part {
    Header header;
    std::vector<std::byte> data;
  };
  std::map<int64_t, Part> tiles;
  bool coded = false, quantized = false;
  while (in.left() >= 2) {
    const uint64_t marker = in.number(2);
    if (marker == 0xffd9) break;
    if (marker < 0xff00) return damaged("file has garbage between its markers");
    const size_t before = in.left();
    const uint64_t length = in.number(2);
    if (length < 2) return damaged("file has a marker without length");
    const Bytes body = in.take(length - 2);
    if (!in.ok()) return damaged("file ends within a marker");
    if (marker == 0xff51) {
      if (overall.components != 0) return damaged("file gives its size twice");
      SLUICE_TRY(read_size(Reader(body), overall, max_pixels));
      continue;
    }
    if (overall.components == 0) return damaged("file does not begin with its size");
    if (marker != 0xff90) {
      SLUICE_TRY(read_parameters(marker, Reader(body), overall));
      coded = coded || marker == 0xff52;
      quantized = quantized || marker == 0xff5c;
      continue;
    }
    // A tile-part: its own markers up to the start of data, then packets.
    if (!coded || !quantized) return damaged("file lacks coding style or quantization");
    Reader part(body);
    const auto index = static_cast<int64_t>(part.number(2));
    const uint64_t part_length = part.number(4);
    if (!part.ok() || index >= overall.tiles_wide() * overall.tiles_high()) {
      return damaged("file has a tile that is not there");
    }
    Part& tile = tiles.try_emplace(index, Part{overall, {}}).first->second;
    while (true) {
      const uint64_t inner = in.number(2);
      if (inner == 0xff93) break;
      const uint64_t inner_length = in.number(2);
      if (!in.ok() || inner_length < 2) return damaged("file ends within a tile's header");
      const Bytes inner_body = in.take(inner_length - 2);
      if (!in.ok()) return damaged("file ends within a tile's header");
      SLUICE_TRY(read_parameters(inner, Reader(inner_body), tile.header));
    }
    // Length 0: to the end of the codestream. Otherwise it counts from the tile-part's marker.
    const size_t used = before + 2 - in.left();
    const uint64_t rest = part_length == 0     ? in.left()
                          : part_length < used ? 0
                                               : std::min<uint64_t>(part_length - used, in.left());
    const Bytes packets = in.take(rest);
    tile.data.insert(tile.data.end(), packets.begin(), packets.end());
  }
  if (overall.components == 0 || tiles.empty()) return damaged("file holds no picture");
  Decoded out;
  SLUICE_ASSIGN(out.image,
                Image::filled(static_cast<int>(overall.x1 - overall.x0),
                              static_cast<int>(overall.y1 - overall.y0), overall.components, 0));
  for (const auto& [index, tile] : tiles) {
    SLUICE_TRY(decode_tile(tile.data, tile.header, index, out.image));
  }
  return out;
}

}  // namespace

Result<Decoded> decode_jpeg2000(Bytes bytes, uint64_t max_pixels) {
  if (bytes.size() >= 4 && byte_at(bytes, 0) == 0xff) return decode_codestream(bytes, max_pixels);
  // JP2: boxes; the picture is in the first codestream box.
  Reader in(bytes);
  while (in.left() >= 8) {
    uint64_t length = in.number(4);
    const uint64_t type = in.number(4);
    uint64_t head = 8;
    if (length == 1) {
      length = in.number(8);
      head = 16;
    }
    if (length == 0) length = head + in.left();
    if (!in.ok() || length < head) return damaged("file has a box of absurd length");
    const Bytes body = in.take(length - head);
    if (type == 0x6a703263) return decode_codestream(body, max_pixels);  // jp2c
    if (type != 0x6a703268) continue;                                    // jp2h
    Reader inner(body);
    while (inner.left() >= 8) {
      const uint64_t inner_length = inner.number(4), inner_type = inner.number(4);
      if (inner_length < 8) break;
      if (inner_type == 0x70636c72) {  // pclr
        return unsupported("the JPEG 2000 picture has a palette");
      }
      const Bytes inner_body = inner.take(inner_length - 8);
      if (inner_type == 0x636f6c72 && inner_body.size() >= 7 && byte_at(inner_body, 0) == 1 &&
          byte_at(inner_body, 6) == 18) {  // colr: sYCC
        return unsupported("the JPEG 2000 picture is stored as sYCC");
      }
    }
  }
  return damaged("file holds no codestream");
}

}  // namespace sluice::image
