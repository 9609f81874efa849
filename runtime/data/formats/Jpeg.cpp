// JPEG by libjpeg-turbo. The library leaves by longjmp: the two functions that call setjmp hold no
// object with a destructor, and all memory is owned outside of them.
#include "runtime/data/formats/ImageCodecs.h"

#include <csetjmp>
#include <cstdio>
#include <jerror.h>
#include <jpeglib.h>

namespace danaus {

namespace {

/// A hostile progressive file can have thousands of scans over the whole image.
constexpr int scanLimit = 500;

struct Decoder {
  // First, so that the library's pointer to it is one to all of this.
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  jpeg_decompress_struct state = {};
  std::jmp_buf leave;
  /// What went wrong; the first of its kind.
  char message[JMSG_LENGTH_MAX] = "";

  Decoder();
  ~Decoder() { jpeg_destroy_decompress(&state); }
  Decoder(const Decoder &) = delete;
};

Decoder &decoderOf(j_common_ptr state) { return *reinterpret_cast<Decoder *>(state->err); }

[[noreturn]] void leaveWithError(j_common_ptr state) {
  Decoder &decoder = decoderOf(state);
  if (!decoder.message[0])
    state->err->format_message(state, decoder.message);
  std::longjmp(decoder.leave, 1);
}

/// Pixels are lost: the library would fill them with grey.
bool losesPixels(int code) {
  return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_MUST_RESYNC;
}

/// Level -1 is a warning, others are traces.
void noteMessage(j_common_ptr state, int level) {
  if (level == -1 && losesPixels(state->err->msg_code))
    leaveWithError(state);
}

void checkScans(j_common_ptr state) {
  if (reinterpret_cast<j_decompress_ptr>(state)->input_scan_number <= scanLimit)
    return;
  std::snprintf(decoderOf(state).message, JMSG_LENGTH_MAX, "it has more than %d scans", scanLimit);
  leaveWithError(state);
}

Decoder::Decoder() {
  state.err = jpeg_std_error(&errors);
  errors.error_exit = leaveWithError;
  errors.emit_message = noteMessage;
  errors.output_message = [](j_common_ptr) {};
  progress.progress_monitor = checkScans;
}

/// CMYK comes out as it is; everything else as RGB.
bool readHeader(Decoder &decoder, const unsigned char *bytes, unsigned long size) {
  if (setjmp(decoder.leave))
    return false;
  jpeg_create_decompress(&decoder.state);
  decoder.state.progress = &decoder.progress;
  jpeg_mem_src(&decoder.state, bytes, size);
  jpeg_read_header(&decoder.state, TRUE);
  bool inked =
      decoder.state.jpeg_color_space == JCS_CMYK || decoder.state.jpeg_color_space == JCS_YCCK;
  decoder.state.out_color_space = inked ? JCS_CMYK : JCS_RGB;
  return true;
}

/// `into`: height x width x (3 or, of CMYK, 4) bytes.
bool readPixels(Decoder &decoder, uint8_t *into) {
  if (setjmp(decoder.leave))
    return false;
  jpeg_decompress_struct &state = decoder.state;
  jpeg_start_decompress(&state);
  size_t stride = size_t(state.output_width) * size_t(state.output_components);
  while (state.output_scanline < state.output_height) {
    JSAMPROW row = into + state.output_scanline * stride;
    jpeg_read_scanlines(&state, &row, 1);
  }
  jpeg_finish_decompress(&state);
  return true;
}

/// In place: four inverted inks to three colours a pixel.
void inksToColours(std::vector<uint8_t> &bytes) {
  size_t pixels = bytes.size() / 4;
  for (size_t pixel = 0; pixel < pixels; ++pixel) {
    unsigned black = bytes[4 * pixel + 3];
    for (size_t colour = 0; colour < 3; ++colour)
      bytes[3 * pixel + colour] = uint8_t((bytes[4 * pixel + colour] * black + 127) / 255);
  }
  bytes.resize(3 * pixels);
}

} // namespace

Expected<Image> decodeJpeg(std::string_view bytes, const std::string &path) {
  Decoder decoder;
  if (!readHeader(decoder, reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size()))
    return damagedImage(path, decoder.message);
  uint32_t height = decoder.state.image_height, width = decoder.state.image_width;
  if (Status status = checkImageSize(path, height, width); !status)
    return status.takeError();
  bool inked = decoder.state.out_color_space == JCS_CMYK;
  std::vector<uint8_t> pixels(size_t(height) * width * (inked ? 4 : 3));
  if (!readPixels(decoder, pixels.data()))
    return damagedImage(path, decoder.message);
  if (inked)
    inksToColours(pixels);
  return planesOf(pixels, height, width);
}

} // namespace danaus
