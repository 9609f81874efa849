// What the decoders of single formats (Jpeg.cpp, Png.cpp) and DecodeImage.cpp share. Private to
// this room: use DecodeImage.h.
#pragma once

#include "runtime/data/formats/DecodeImage.h"

namespace danaus {

/// "'<path>' is damaged: <what>".
Error damagedImage(const std::string &path, const std::string &what);

/// Whether an image of this size may be decoded.
Status checkImageSize(const std::string &path, uint64_t height, uint64_t width);

/// height x width x 3 bytes, pixel by pixel, to three planes.
Image planesOf(const std::vector<uint8_t> &interleaved, uint32_t height, uint32_t width);

Expected<Image> decodeJpeg(std::string_view bytes, const std::string &path);
Expected<Image> decodePng(std::string_view bytes, const std::string &path);

} // namespace danaus
