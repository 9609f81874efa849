// Buffered appending with O_APPEND.
#include "runtime/run/AppendFile.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace danaus {

constexpr size_t bufferBytes = 4096;

AppendFile::AppendFile(std::string path, FileDescriptor file)
    : path(std::move(path)), file(std::move(file)) {}

AppendFile::~AppendFile() {
  if (file.valid())
    (void)flush();
}

Expected<AppendFile> AppendFile::reopen(const std::string &path, uint64_t bytes) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
  if (!file.valid())
    return ioError("open", path, errno);
  if (::ftruncate(file.get(), off_t(bytes)) != 0)
    return ioError("shorten", path, errno);
  return AppendFile(path, std::move(file));
}

Status AppendFile::append(std::string_view record) {
  buffer += record;
  return buffer.size() < bufferBytes ? Status::ok() : flush();
}

Status AppendFile::flush() {
  Status status = writeAll(file.get(), buffer, path);
  buffer.clear();
  return status;
}

Status AppendFile::sync() {
  if (Status status = flush(); !status)
    return status;
  // EINVAL: a pipe or device, which has nothing to sync.
  if (::fsync(file.get()) != 0 && errno != EINVAL)
    return ioError("write", path, errno);
  return Status::ok();
}

} // namespace danaus
