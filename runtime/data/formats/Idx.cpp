// Reads IDX through zlib's gz layer, which passes plain files through. What is on disk is looked at
// first, because zlib would read a web page just as willingly. Memory is asked for only after the
// header's promise was held against the size of the file.
#include "runtime/data/formats/Idx.h"

#include "runtime/base/File.h"
#include "runtime/data/formats/FileHead.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <zlib.h>

namespace danaus {

namespace {

using ull = unsigned long long;
/// deflate never packs tighter than this.
constexpr uint64_t deflateRatio = 1032;
constexpr uint32_t imageMagic = 0x0803, labelMagic = 0x0801;

Error broken(const std::string &path, const std::string &what) {
  return Error(ExitCode::DataInvalid, "'" + path + "' " + what);
}

struct GzClose {
  void operator()(gzFile file) const { ::gzclose(file); }
};

/// A file of either kind, open, with what it takes to judge it.
struct Source {
  std::string path;
  bool compressed = false;
  uint64_t bytesOnDisk = 0;
  /// The gzip stream stopped before its end mark.
  bool endless = false;
  std::unique_ptr<gzFile_s, GzClose> stream;

  /// Reads up to `size` bytes; fewer only at the end. A damaged stream is an error.
  Expected<uint64_t> read(uint8_t *into, uint64_t size) {
    uint64_t done = 0;
    while (done < size) {
      unsigned piece = unsigned(std::min<uint64_t>(size - done, 1u << 30));
      int got = ::gzread(stream.get(), into + done, piece);
      int code = Z_OK;
      const char *text = ::gzerror(stream.get(), &code);
      if (code == Z_ERRNO)
        return ioError("read", path, errno);
      if (got < 0 && code != Z_BUF_ERROR)
        return broken(path,
                      format("is damaged: after %llu bytes zlib says \"%s\"", ull(done), text));
      if (code == Z_BUF_ERROR)
        endless = true;
      if (got <= 0)
        break;
      done += uint64_t(got);
    }
    return done;
  }
};

/// Says what is wrong with the first bytes for a file of this name.
Status checkHead(const std::string &path, std::string_view head, bool namedGz) {
  FileKind kind = recogniseHead(head);
  if (kind == FileKind::WebPage)
    return broken(path, "is a web page, not data: a download went wrong; fetch the file again");
  bool gzip = kind == FileKind::Gzip;
  if (gzip && !namedGz)
    return broken(path, "is still compressed with gzip: gunzip it, or let its name end in .gz");
  if (namedGz && !gzip)
    return broken(path, "is named .gz but is not compressed with gzip: if it was unpacked already, "
                        "take .gz off its name; else fetch it again");
  return Status::ok();
}

Expected<Source> openSource(const std::string &path, bool namedGz) {
  Expected<FileDescriptor> file = openForReading(path);
  if (!file)
    return file.takeError();
  Expected<uint64_t> size = fileSize(path);
  if (!size)
    return size.takeError();
  if (*size == 0)
    return broken(path, "is empty");
  Expected<std::string> head = readHead(path);
  if (!head)
    return head.takeError();
  if (Status status = checkHead(path, *head, namedGz); !status)
    return status.takeError();
  Source source{path, namedGz, *size, false, {}};
  source.stream.reset(::gzdopen(file->get(), "rb"));
  if (!source.stream)
    return ioError("open", path, ENOMEM);
  file->release();
  ::gzbuffer(source.stream.get(), 1 << 17);
  return source;
}

Status checkMagic(const std::string &path, uint32_t magic, IdxContent content) {
  bool images = content == IdxContent::Images;
  if (magic == (images ? imageMagic : labelMagic))
    return Status::ok();
  if (magic == (images ? labelMagic : imageMagic))
    return broken(path, images
                            ? "holds labels (magic 2049) where images (2051) belong: were the two "
                              "files swapped?"
                            : "holds images (magic 2051) where labels (2049) belong: were the two "
                              "files swapped?");
  return broken(path,
                format("is not an IDX file of %s: it starts with 0x%08x instead of 0x%08x",
                       images ? "images" : "labels", magic, images ? imageMagic : labelMagic));
}

/// The promised size in bytes, or why it cannot be.
Expected<uint64_t> checkSize(const Source &source, const std::vector<uint64_t> &dimensions,
                             uint64_t headerBytes, uint64_t byteLimit) {
  uint64_t bytes = 1;
  bool overflow = false;
  std::string text;
  for (uint64_t dimension : dimensions) {
    overflow |= __builtin_mul_overflow(bytes, dimension, &bytes);
    text += (text.empty() ? "" : " x ") + std::to_string(dimension);
  }
  if (overflow || bytes > byteLimit)
    return broken(source.path, format("announces %s bytes, more than the %llu that are allowed",
                                      text.c_str(), ull(byteLimit)));
  uint64_t most = source.bytesOnDisk * (source.compressed ? deflateRatio : 1);
  if (bytes + headerBytes > most)
    return broken(source.path,
                  format("is cut short: %llu bytes announced, but a file of %llu bytes "
                         "cannot hold them",
                         ull(bytes + headerBytes), ull(source.bytesOnDisk)));
  return bytes;
}

uint32_t bigEndian(const uint8_t *bytes) {
  return uint32_t(bytes[0]) << 24 | uint32_t(bytes[1]) << 16 | uint32_t(bytes[2]) << 8 | bytes[3];
}

Status readHeader(Source &source, IdxContent content, std::vector<uint64_t> &dimensions) {
  uint8_t header[16] = {};
  size_t rank = content == IdxContent::Images ? 3 : 1, size = 4 + 4 * rank;
  Expected<uint64_t> got = source.read(header, size);
  if (!got)
    return got.takeError();
  if (*got >= 4)
    if (Status status = checkMagic(source.path, bigEndian(header), content); !status)
      return status;
  if (*got < size)
    return broken(source.path,
                  format("is cut short: its header has %llu of %zu bytes", ull(*got), size));
  for (size_t index = 0; index < rank; ++index)
    dimensions.push_back(bigEndian(header + 4 + 4 * index));
  return Status::ok();
}

} // namespace

Expected<IdxFile> readIdx(const std::string &folder, const std::string &name, IdxContent content,
                          uint64_t byteLimit) {
  std::string plain = joinPath(folder, name);
  bool namedGz = !pathExists(plain);
  std::string path = namedGz ? plain + ".gz" : plain;
  if (!pathExists(path))
    return Error(ExitCode::DataInvalid,
                 "'" + plain + "' is missing, and so is '" + name + ".gz' beside it");
  Expected<Source> source = openSource(path, namedGz);
  if (!source)
    return source.takeError();
  IdxFile file{path, {}, {}};
  if (Status status = readHeader(*source, content, file.dimensions); !status)
    return status.takeError();
  uint64_t headerBytes = 4 + 4 * file.dimensions.size();
  Expected<uint64_t> bytes = checkSize(*source, file.dimensions, headerBytes, byteLimit);
  if (!bytes)
    return bytes.takeError();
  file.bytes.resize(*bytes);
  Expected<uint64_t> got = source->read(file.bytes.data(), *bytes);
  if (!got)
    return got.takeError();
  if (*got < *bytes)
    return broken(path, format("is cut short: %llu bytes expected, %llu found",
                               ull(headerBytes + *bytes), ull(headerBytes + *got)));
  uint8_t more;
  Expected<uint64_t> trailing = source->read(&more, 1);
  if (!trailing)
    return trailing.takeError();
  if (*trailing)
    return broken(path, format("goes on after the %llu bytes that its header announces",
                               ull(headerBytes + *bytes)));
  if (source->endless)
    return broken(path,
                  "is cut short: its gzip stream has no end, so its checksum cannot be checked");
  return file;
}

} // namespace danaus
