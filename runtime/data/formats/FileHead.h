// What a file is by its first bytes, whatever its name says: most broken datasets are a good file
// of another kind in the wrong place (a web page, an archive that nobody unpacked).
#pragma once

#include "runtime/base/Status.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace danaus {

enum class FileKind {
  Unknown,
  WebPage,
  Gzip,
  Zip,
  Tar,
  Pickle,
  Npy,
  Jpeg,
  Png,
  Gif,
  WebP,
  Bmp,
  Tiff
};

/// As many first bytes as recogniseHead() looks at (a tar has its mark at 257).
inline constexpr size_t fileHeadBytes = 512;

/// `head`: the first bytes of the file, at most fileHeadBytes are looked at.
FileKind recogniseHead(std::string_view head);

/// The first bytes of a file, fewer where it is shorter.
Expected<std::string> readHead(const std::string &path);

/// "a web page", "a gzip archive": for messages; "no kind of file that is known here" for Unknown.
const char *describe(FileKind kind);

} // namespace danaus
