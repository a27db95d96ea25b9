// PNG through libpng. libpng reports errors by longjmp: every frame between a setjmp and the
// library holds plain data only, and everything that owns memory lives outside those frames.
#include <png.h>

#include <csetjmp>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "image/codecs.h"
#include "image/exif.h"

namespace sluice::image {

namespace {

struct PngState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  bool writing = false;
  jmp_buf jump;
  char message[160] = "";
  // Reading.
  const std::byte* at = nullptr;
  size_t left = 0;
  int passes = 1;
  // Writing: malloc'ed, so that running out of memory can be reported through libpng.
  uint8_t* sink = nullptr;
  size_t sink_size = 0, sink_capacity = 0;

  ~PngState() {
    if (png != nullptr && writing) png_destroy_write_struct(&png, &info);
    if (png != nullptr && !writing) png_destroy_read_struct(&png, &info, nullptr);
    std::free(sink);
  }
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto* state = static_cast<PngState*>(png_get_error_ptr(png));
  std::strncpy(state->message, text, sizeof state->message - 1);
  longjmp(state->jump, 1);
}
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep target, size_t size) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (size > state->left) png_error(png, "the file ends too early");
  std::memcpy(target, state->at, size);
  state->at += size;
  state->left -= size;
}

void on_write(png_structp png, png_bytep bytes, size_t size) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (size > state->sink_capacity - state->sink_size) {
    size_t capacity = state->sink_capacity * 2;
    if (capacity < state->sink_size + size) capacity = state->sink_size + size;
    auto* grown = static_cast<uint8_t*>(std::realloc(state->sink, capacity));
    if (grown == nullptr) png_error(png, "out of memory");
    state->sink = grown;
    state->sink_capacity = capacity;
  }
  std::memcpy(state->sink + state->sink_size, bytes, size);
  state->sink_size += size;
}
void on_flush(png_structp) {}

bool read_header(PngState& state) {
  if (setjmp(state.jump)) return false;
  png_read_info(state.png, state.info);
  return true;
}

// Sets the conversions to 8-bit grey, RGB or RGBA; returns the channel count, 0 on error.
int prepare(PngState& state) {
  if (setjmp(state.jump)) return 0;
  const png_byte color = png_get_color_type(state.png, state.info);
  const bool transparency = png_get_valid(state.png, state.info, PNG_INFO_tRNS) != 0;
  png_set_expand(state.png);    // palette to RGB, 1/2/4-bit grey to 8, tRNS to alpha
  png_set_scale_16(state.png);  // 16-bit to 8 with rounding
  const bool alpha = (color & PNG_COLOR_MASK_ALPHA) != 0 || transparency;
  if (alpha && (color & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(state.png);
  state.passes = png_set_interlace_handling(state.png);
  png_read_update_info(state.png, state.info);
  return png_get_channels(state.png, state.info);
}

bool read_rows(PngState& state, uint8_t* pixels, size_t row_bytes, int height) {
  if (setjmp(state.jump)) return false;
  if (png_get_rowbytes(state.png, state.info) != row_bytes) {
    png_error(state.png, "the row size is not the expected one");
  }
  for (int pass = 0; pass < state.passes; ++pass) {
    for (int y = 0; y < height; ++y) {
      png_read_row(state.png, pixels + static_cast<size_t>(y) * row_bytes, nullptr);
    }
  }
  png_read_end(state.png, nullptr);
  return true;
}

bool write_all(PngState& state, const uint8_t* pixels, size_t row_bytes, int width, int height,
               int color_type, int level) {
  if (setjmp(state.jump)) return false;
  png_set_IHDR(state.png, state.info, static_cast<png_uint_32>(width),
               static_cast<png_uint_32>(height), 8, color_type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level(state.png, level);
  // Choosing among all five filters costs more time than levels 1 to 3 of zlib themselves.
  png_set_filter(state.png, PNG_FILTER_TYPE_BASE,
                 level >= 6  ? PNG_ALL_FILTERS
                 : level > 0 ? PNG_FILTER_SUB | PNG_FILTER_UP
                             : PNG_FILTER_NONE);
  png_write_info(state.png, state.info);
  for (int y = 0; y < height; ++y) {
    png_write_row(state.png, pixels + static_cast<size_t>(y) * row_bytes);
  }
  png_write_end(state.png, nullptr);
  return true;
}

uint32_t big32(Bytes bytes, size_t at) {
  return uint32_t{byte_at(bytes, at)} << 24 | uint32_t{byte_at(bytes, at + 1)} << 16 |
         uint32_t{byte_at(bytes, at + 2)} << 8 | byte_at(bytes, at + 3);
}

struct ChunkFacts {
  uint64_t image_bytes = 0;  // compressed pixel data (IDAT) actually in the file
  int orientation = 1;
};

// Walks the chunk list by itself, since eXIf may stand behind the pixels.
ChunkFacts walk_chunks(Bytes bytes) {
  ChunkFacts facts;
  size_t at = 8;
  while (bytes.size() >= at && bytes.size() - at >= 8) {
    const uint64_t length = big32(bytes, at);
    const size_t available = bytes.size() - at - 8;
    const size_t held = length < available ? static_cast<size_t>(length) : available;
    const char* kind = reinterpret_cast<const char*>(bytes.data() + at + 4);
    if (std::memcmp(kind, "IDAT", 4) == 0) facts.image_bytes += held;
    if (std::memcmp(kind, "eXIf", 4) == 0) {
      facts.orientation = exif_orientation(bytes.subspan(at + 8, held));
    }
    if (length > available || available - length < 4) break;  // 4: the chunk's CRC
    at += 12 + static_cast<size_t>(length);
  }
  return facts;
}

Error damaged(const PngState& state) {
  return invalid_model(cat("The PNG file is damaged: ", trim(state.message)));
}

}  // namespace

Result<Decoded> decode_png(Bytes bytes, uint64_t max_pixels) {
  PngState state;
  state.at = bytes.data();
  state.left = bytes.size();
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
  if (state.png == nullptr) return resource_error("There is no memory for a PNG decoder");
  state.info = png_create_info_struct(state.png);
  if (state.info == nullptr) return resource_error("There is no memory for a PNG decoder");
  png_set_read_fn(state.png, &state, on_read);
  png_set_user_limits(state.png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(state.png, 1 << 22);
  // Text, profiles and other chunks that change no pixel are not even unpacked.
  png_set_keep_unknown_chunks(state.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  if (!read_header(state)) return damaged(state);

  const uint64_t width = png_get_image_width(state.png, state.info);
  const uint64_t height = png_get_image_height(state.png, state.info);
  SLUICE_TRY(check_extent("PNG", width, height, max_pixels));
  // Deflate reaches at most 1032:1, so pixels that the file cannot hold are refused unallocated.
  const ChunkFacts facts = walk_chunks(bytes);
  const uint64_t bits =
      uint64_t{png_get_bit_depth(state.png, state.info)} * png_get_channels(state.png, state.info);
  if ((width * bits + 7) / 8 * height > (facts.image_bytes + 64) * 1032) {
    return invalid_model(cat("The PNG file is damaged: ", width, "x", height,
                             " pixels cannot come from ", facts.image_bytes,
                             " bytes of compressed data"));
  }
  const int channels = prepare(state);
  if (channels == 0) return damaged(state);
  if (channels == 2) return internal_error("The PNG decoder gave grey with alpha");

  Decoded out;
  SLUICE_ASSIGN(out.image,
                Image::allocate(static_cast<int>(width), static_cast<int>(height), channels));
  if (!read_rows(state, out.image.pixels().data(), out.image.row_bytes(), out.image.height())) {
    return damaged(state);
  }
  out.orientation = facts.orientation;
  return out;
}

Result<Array<uint8_t>> encode_png(const Image& image, const PngOptions& options) {
  SLUICE_CHECK(image.width() > 0);
  const int level = options.level < 0 ? 0 : options.level > 9 ? 9 : options.level;
  PngState state;
  state.writing = true;
  state.sink_capacity = image.pixels().size() / 2 + 4096;
  state.sink = static_cast<uint8_t*>(std::malloc(state.sink_capacity));
  if (state.sink == nullptr) return resource_error("There is no memory to encode a PNG");
  state.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
  if (state.png == nullptr) return resource_error("There is no memory for a PNG encoder");
  state.info = png_create_info_struct(state.png);
  if (state.info == nullptr) return resource_error("There is no memory for a PNG encoder");
  png_set_write_fn(state.png, &state, on_write, on_flush);
  png_set_user_limits(state.png, 0x7fffffff, 0x7fffffff);
  const int color = image.channels() == 1   ? PNG_COLOR_TYPE_GRAY
                    : image.channels() == 3 ? PNG_COLOR_TYPE_RGB
                                            : PNG_COLOR_TYPE_RGBA;
  if (!write_all(state, image.pixels().data(), image.row_bytes(), image.width(), image.height(),
                 color, level)) {
    return resource_error(cat("The picture cannot be encoded as PNG: ", trim(state.message)));
  }
  SLUICE_ASSIGN(auto out, Array<uint8_t>::allocate(state.sink_size));
  std::memcpy(out.data(), state.sink, state.sink_size);
  return out;
}

}  // namespace sluice::image
