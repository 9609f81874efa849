// PNG by libpng. The library leaves by longjmp: the two functions that call setjmp hold no object
// with a destructor, and all memory is owned outside of them.
#include "runtime/data/formats/ImageCodecs.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <png.h>

namespace danaus {

namespace {

constexpr png_alloc_size_t chunkByteLimit = 64 << 20;
constexpr png_uint_32 chunkCountLimit = 1000;

struct Decoder {
  std::string_view rest;
  char message[256] = "";
  png_structp state = nullptr;
  png_infop info = nullptr;

  Decoder() = default;
  ~Decoder() { png_destroy_read_struct(&state, &info, nullptr); }
  Decoder(const Decoder &) = delete;
};

[[noreturn]] void leaveWithError(png_structp state, png_const_charp text) {
  Decoder &decoder = *static_cast<Decoder *>(png_get_error_ptr(state));
  std::snprintf(decoder.message, sizeof(decoder.message), "%s", text);
  png_longjmp(state, 1);
}

void ignoreWarning(png_structp, png_const_charp) {}

void takeBytes(png_structp state, png_bytep into, size_t size) {
  Decoder &decoder = *static_cast<Decoder *>(png_get_io_ptr(state));
  if (size > decoder.rest.size())
    png_error(state, "it ends before the image does");
  std::memcpy(into, decoder.rest.data(), size);
  decoder.rest.remove_prefix(size);
}

bool readHeader(Decoder &decoder) {
  decoder.state =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, leaveWithError, ignoreWarning);
  decoder.info = decoder.state ? png_create_info_struct(decoder.state) : nullptr;
  if (!decoder.info) {
    std::snprintf(decoder.message, sizeof(decoder.message), "libpng cannot be started");
    return false;
  }
  if (setjmp(png_jmpbuf(decoder.state)))
    return false;
  png_set_user_limits(decoder.state, png_uint_32(imagePixelLimit), png_uint_32(imagePixelLimit));
  png_set_chunk_malloc_max(decoder.state, chunkByteLimit);
  png_set_chunk_cache_max(decoder.state, chunkCountLimit);
  png_set_read_fn(decoder.state, &decoder, takeBytes);
  png_read_info(decoder.state, decoder.info);
  return true;
}

/// Whatever the file has, to 8 bits of red, green and blue.
void askForRgb(png_structp state, png_infop info) {
  png_byte colour = png_get_color_type(state, info);
  png_set_strip_16(state);
  png_set_packing(state);
  if (colour == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(state);
  else if (!(colour & PNG_COLOR_MASK_COLOR)) {
    png_set_expand_gray_1_2_4_to_8(state);
    png_set_gray_to_rgb(state);
  }
  png_set_strip_alpha(state);
}

/// `rows`: height pointers to width x 3 bytes.
bool readPixels(Decoder &decoder, uint8_t **rows, size_t rowBytes) {
  if (setjmp(png_jmpbuf(decoder.state)))
    return false;
  askForRgb(decoder.state, decoder.info);
  png_set_interlace_handling(decoder.state);
  png_read_update_info(decoder.state, decoder.info);
  if (png_get_rowbytes(decoder.state, decoder.info) != rowBytes)
    png_error(decoder.state, "its rows have no whole pixels");
  png_read_image(decoder.state, rows);
  png_read_end(decoder.state, nullptr);
  return true;
}

} // namespace

Expected<Image> decodePng(std::string_view bytes, const std::string &path) {
  Decoder decoder;
  decoder.rest = bytes;
  if (!readHeader(decoder))
    return damagedImage(path, decoder.message);
  uint32_t height = png_get_image_height(decoder.state, decoder.info);
  uint32_t width = png_get_image_width(decoder.state, decoder.info);
  if (Status status = checkImageSize(path, height, width); !status)
    return status.takeError();
  size_t rowBytes = 3 * size_t(width);
  std::vector<uint8_t> pixels(rowBytes * height);
  std::vector<uint8_t *> rows(height);
  for (size_t row = 0; row < height; ++row)
    rows[row] = pixels.data() + row * rowBytes;
  if (!readPixels(decoder, rows.data(), rowBytes))
    return damagedImage(path, decoder.message);
  return planesOf(pixels, height, width);
}

} // namespace danaus
