// JPEG through libjpeg-turbo. As in png.cc, errors arrive by longjmp, so frames between setjmp and
// the library hold plain data only.
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>
// clang-format off: jpeglib.h needs size_t and FILE declared before it
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "image/codecs.h"
#include "image/exif.h"

namespace sluice::image {

namespace {

// A progressive file repeats passes over the whole picture; honest ones have about ten. The cap
// keeps a small file from costing minutes.
constexpr int kMaxScans = 200;

struct JpegState {
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jpeg_decompress_struct decoder;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
  bool created = false;
  bool ends_early = false;

  ~JpegState() {
    if (created) jpeg_destroy_decompress(&decoder);
  }
};

JpegState& state_of(j_common_ptr info) { return *static_cast<JpegState*>(info->client_data); }

[[noreturn]] void on_error(j_common_ptr info) {
  JpegState& state = state_of(info);
  info->err->format_message(info, state.message);
  longjmp(state.jump, 1);
}
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  if (info->err->msg_code == JWRN_JPEG_EOF) state_of(info).ends_early = true;
  ++info->err->num_warnings;
}
void on_progress(j_common_ptr info) {
  JpegState& state = state_of(info);
  if (state.decoder.input_scan_number > kMaxScans) {
    std::snprintf(state.message, sizeof state.message, "it has more than %d scans", kMaxScans);
    longjmp(state.jump, 1);
  }
}

bool read_header(JpegState& state, const unsigned char* bytes, size_t size) {
  if (setjmp(state.jump)) return false;
  jpeg_create_decompress(&state.decoder);
  state.created = true;
  state.decoder.client_data = &state;
  state.decoder.progress = &state.progress;
  jpeg_mem_src(&state.decoder, bytes, static_cast<unsigned long>(size));
  jpeg_save_markers(&state.decoder, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&state.decoder, TRUE);
  return true;
}

bool start(JpegState& state, J_COLOR_SPACE color) {
  if (setjmp(state.jump)) return false;
  state.decoder.out_color_space = color;
  state.decoder.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&state.decoder);
  return true;
}

// `stride` is that of the target; CMYK rows are turned into RGB in place, 4 bytes to 3, which needs
// the row buffer.
bool read_rows(JpegState& state, uint8_t* pixels, size_t stride, uint8_t* cmyk_row) {
  if (setjmp(state.jump)) return false;
  const bool inverted = state.decoder.saw_Adobe_marker;  // Adobe stores 255 - ink
  while (state.decoder.output_scanline < state.decoder.output_height) {
    uint8_t* target = pixels + state.decoder.output_scanline * stride;
    JSAMPROW row = cmyk_row != nullptr ? cmyk_row : target;
    if (jpeg_read_scanlines(&state.decoder, &row, 1) != 1) return false;
    if (cmyk_row == nullptr) continue;
    for (JDIMENSION x = 0; x < state.decoder.output_width; ++x) {
      const uint32_t flip = inverted ? 0 : 255;
      const uint32_t k = cmyk_row[4 * x + 3] ^ flip;
      for (JDIMENSION c = 0; c < 3; ++c) {
        target[3 * x + c] = static_cast<uint8_t>(((cmyk_row[4 * x + c] ^ flip) * k + 127) / 255);
      }
    }
  }
  jpeg_finish_decompress(&state.decoder);
  return true;
}

int orientation_of(const jpeg_decompress_struct& decoder) {
  for (const jpeg_marker_struct* marker = decoder.marker_list; marker != nullptr;
       marker = marker->next) {
    const Bytes data(reinterpret_cast<const std::byte*>(marker->data), marker->data_length);
    if (marker->marker == JPEG_APP0 + 1 && data.size() > 6 &&
        std::memcmp(data.data(), "Exif\0\0", 6) == 0) {
      return exif_orientation(data);
    }
  }
  return 1;
}

}  // namespace

Result<Decoded> decode_jpeg(Bytes bytes, uint64_t max_pixels) {
  JpegState state;
  std::memset(&state.progress, 0, sizeof state.progress);
  state.decoder.err = jpeg_std_error(&state.errors);
  state.decoder.client_data = &state;
  state.errors.error_exit = on_error;
  state.errors.emit_message = on_message;
  state.progress.progress_monitor = on_progress;
  const auto damaged = [&] {
    return invalid_model(cat("The JPEG file is damaged: ", trim(state.message)));
  };
  if (!read_header(state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())) {
    return damaged();
  }
  SLUICE_TRY(
      check_extent("JPEG", state.decoder.image_width, state.decoder.image_height, max_pixels));
  // Huffman coding spends at least one bit on each 8x8 block of the first component, so pixels that
  // the file cannot hold are refused unallocated. (4: slack for odd samplings.)
  if (!state.decoder.arith_code &&
      uint64_t{state.decoder.image_width} * state.decoder.image_height / 512 / 4 > bytes.size()) {
    return invalid_model(cat("The JPEG file is damaged: ", state.decoder.image_width, "x",
                             state.decoder.image_height, " pixels cannot come from ", bytes.size(),
                             " bytes"));
  }
  const J_COLOR_SPACE stored = state.decoder.jpeg_color_space;
  const bool cmyk = stored == JCS_CMYK || stored == JCS_YCCK;
  if (!cmyk && stored != JCS_GRAYSCALE && stored != JCS_YCbCr && stored != JCS_RGB) {
    return unsupported(cat("The JPEG file has a colour space that is not read here (",
                           state.decoder.num_components, " components)"));
  }
  if (!start(state, cmyk ? JCS_CMYK : stored == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB)) {
    return damaged();
  }
  Decoded out;
  out.orientation = orientation_of(state.decoder);  // finishing the picture frees the markers
  SLUICE_ASSIGN(out.image, Image::allocate(static_cast<int>(state.decoder.output_width),
                                           static_cast<int>(state.decoder.output_height),
                                           stored == JCS_GRAYSCALE ? 1 : 3));
  Array<uint8_t> cmyk_row;
  if (cmyk) {
    SLUICE_ASSIGN(cmyk_row, Array<uint8_t>::allocate(static_cast<size_t>(out.image.width()) * 4));
  }
  if (!read_rows(state, out.image.pixels().data(), out.image.row_bytes(), cmyk_row.data())) {
    return damaged();
  }
  if (state.ends_early) return invalid_model("The JPEG file is damaged: it ends too early");
  return out;
}

}  // namespace sluice::image
