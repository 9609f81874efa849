// See FileHead.h.
#include "runtime/data/formats/FileHead.h"

#include "runtime/base/File.h"

#include <algorithm>
#include <cstring>
#include <strings.h>

namespace danaus {

using namespace std::string_view_literals;

static bool isWebPage(std::string_view head) {
  size_t start = head.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == std::string_view::npos || head[start] != '<')
    return false;
  for (const char *opening : {"<!doctype", "<html", "<head", "<?xml", "<!--"})
    if (head.size() - start >= std::strlen(opening) &&
        ::strncasecmp(head.data() + start, opening, std::strlen(opening)) == 0)
      return true;
  return false;
}

FileKind recogniseHead(std::string_view head) {
  head = head.substr(0, fileHeadBytes);
  if (head.starts_with("\xFF\xD8\xFF"sv))
    return FileKind::Jpeg;
  if (head.starts_with("\x89PNG\r\n\x1A\n"sv))
    return FileKind::Png;
  if (head.starts_with("\x93NUMPY"sv))
    return FileKind::Npy;
  if (head.starts_with("\x1F\x8B"sv))
    return FileKind::Gzip;
  if (head.starts_with("PK\x03\x04"sv) || head.starts_with("PK\x05\x06"sv))
    return FileKind::Zip;
  if (head.starts_with("GIF87a"sv) || head.starts_with("GIF89a"sv))
    return FileKind::Gif;
  if (head.starts_with("RIFF"sv) && head.size() >= 12 && head.substr(8, 4) == "WEBP"sv)
    return FileKind::WebP;
  if (head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv))
    return FileKind::Tiff;
  if (head.size() >= 262 && head.substr(257, 5) == "ustar"sv)
    return FileKind::Tar;
  // The opcode PROTO and a protocol that exists.
  if (head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    return FileKind::Pickle;
  if (isWebPage(head))
    return FileKind::WebPage;
  return head.starts_with("BM"sv) ? FileKind::Bmp : FileKind::Unknown;
}

Expected<std::string> readHead(const std::string &path) {
  Expected<FileDescriptor> file = openForReading(path);
  if (!file)
    return file.takeError();
  Expected<uint64_t> size = fileSize(path);
  if (!size)
    return size.takeError();
  std::string head(size_t(std::min<uint64_t>(*size, fileHeadBytes)), '\0');
  if (Status status = readExactly(file->get(), head.data(), head.size(), 0, path); !status)
    return status.takeError();
  return head;
}

const char *describe(FileKind kind) {
  switch (kind) {
  case FileKind::WebPage:
    return "a web page";
  case FileKind::Gzip:
    return "a gzip archive";
  case FileKind::Zip:
    return "a zip archive";
  case FileKind::Tar:
    return "a tar archive";
  case FileKind::Pickle:
    return "a Python pickle";
  case FileKind::Npy:
    return "a numpy array";
  case FileKind::Jpeg:
    return "a JPEG image";
  case FileKind::Png:
    return "a PNG image";
  case FileKind::Gif:
    return "a GIF image";
  case FileKind::WebP:
    return "a WebP image";
  case FileKind::Bmp:
    return "a BMP image";
  case FileKind::Tiff:
    return "a TIFF image";
  case FileKind::Unknown:
    break;
  }
  return "no kind of file that is known here";
}

} // namespace danaus
