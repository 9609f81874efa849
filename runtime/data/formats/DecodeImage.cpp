// See DecodeImage.h.
#include "runtime/data/formats/DecodeImage.h"

#include "runtime/base/File.h"
#include "runtime/data/formats/FileHead.h"
#include "runtime/data/formats/ImageCodecs.h"

#include <strings.h>

namespace danaus {

using ull = unsigned long long;

static Error refused(const std::string &path, const std::string &what) {
  return Error(ExitCode::DataInvalid, "'" + path + "' " + what);
}

Error damagedImage(const std::string &path, const std::string &what) {
  return refused(path, "is damaged: " + what);
}

Status checkImageSize(const std::string &path, uint64_t height, uint64_t width) {
  if (height == 0 || width == 0)
    return damagedImage(path, format("its size is %llu x %llu pixels", ull(width), ull(height)));
  if (height > imagePixelLimit / width)
    return refused(path, format("has %llu x %llu pixels, more than the %llu that are allowed",
                                ull(width), ull(height), ull(imagePixelLimit)));
  return Status::ok();
}

Image planesOf(const std::vector<uint8_t> &interleaved, uint32_t height, uint32_t width) {
  size_t plane = size_t(height) * width;
  Image image{{3, height, width}, std::vector<uint8_t>(3 * plane)};
  uint8_t *red = image.pixels.data(), *green = red + plane, *blue = green + plane;
  const uint8_t *from = interleaved.data();
  for (size_t pixel = 0; pixel < plane; ++pixel, from += 3) {
    red[pixel] = from[0];
    green[pixel] = from[1];
    blue[pixel] = from[2];
  }
  return image;
}

Expected<Image> decodeImage(std::string_view bytes, const std::string &path) {
  if (bytes.empty())
    return refused(path, "is empty");
  FileKind kind = recogniseHead(bytes);
  if (kind == FileKind::Jpeg)
    return decodeJpeg(bytes, path);
  if (kind == FileKind::Png)
    return decodePng(bytes, path);
  return refused(path, std::string("is neither a JPEG nor a PNG image") +
                           (kind == FileKind::Unknown ? std::string()
                                                      : std::string(" but ") + describe(kind)));
}

Expected<Image> readImageFile(const std::string &path) {
  Expected<std::string> bytes = readFile(path, imageFileByteLimit, ExitCode::DataInvalid);
  if (!bytes)
    return bytes.takeError();
  return decodeImage(*bytes, path);
}

Image toGrey(const Image &rgb) {
  size_t plane = size_t(rgb.shape.height) * rgb.shape.width;
  Image grey{{1, rgb.shape.height, rgb.shape.width}, std::vector<uint8_t>(plane)};
  const uint8_t *red = rgb.pixels.data(), *green = red + plane, *blue = green + plane;
  // 0.299, 0.587 and 0.114 times 2^16; they add up to it, so grey stays as it is.
  for (size_t pixel = 0; pixel < plane; ++pixel)
    grey.pixels[pixel] = uint8_t(
        (red[pixel] * 19595u + green[pixel] * 38470u + blue[pixel] * 7471u + 0x8000u) >> 16);
  return grey;
}

bool hasImageExtension(std::string_view name) {
  for (std::string_view extension : {".jpg", ".jpeg", ".png"})
    if (name.size() > extension.size() &&
        ::strncasecmp(name.data() + name.size() - extension.size(), extension.data(),
                      extension.size()) == 0)
      return true;
  return false;
}

} // namespace danaus
