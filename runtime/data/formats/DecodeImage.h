// JPEG and PNG files to bytes, by libjpeg-turbo and libpng. What a file is decides its first bytes,
// not its name (ImageNet has a PNG called .JPEG). Thread-safe: no state but the call's.
//
// The result has always three channels and is what PIL's Image.convert("RGB") gives:
//   grey is repeated; CMYK and YCCK are taken as Adobe writes them (inverted), R = C K / 255;
//   PNG: palettes and 1, 2, 4 bits are expanded, of 16 bits the high byte is kept; alpha and
//   transparent colours are dropped, not composited; gamma and colour profiles are ignored, and so
//   is the orientation in a photo's EXIF data.
// A file that ends early or has lost pixels is an error; harmless oddities of a JPEG are not.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/data/Image.h"

#include <string>
#include <string_view>

namespace danaus {

/// An image of more pixels is refused before memory is asked for.
inline constexpr uint64_t imagePixelLimit = uint64_t(1) << 28;
/// A file of more bytes is refused before it is read.
inline constexpr uint64_t imageFileByteLimit = uint64_t(1) << 28;

/// `path` is for messages: "'cat.jpg' is damaged: ...". Errors are DataInvalid.
Expected<Image> decodeImage(std::string_view bytes, const std::string &path);

/// Reads the file and decodes it.
Expected<Image> readImageFile(const std::string &path);

/// One channel of three: the luma of ITU-R 601 in fixed point, bit for bit PIL's convert("L").
Image toGrey(const Image &rgb);

/// Whether a name ends in .jpg, .jpeg or .png, in small or capital letters.
bool hasImageExtension(std::string_view name);

} // namespace danaus
