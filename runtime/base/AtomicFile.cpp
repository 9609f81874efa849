// open + fsync + rename + fsync of the folder.
#include "runtime/base/AtomicFile.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace danaus {

AtomicFile::AtomicFile(std::string path, std::string temporary, int descriptor)
    : path(std::move(path)), temporary(std::move(temporary)), descriptor(descriptor) {}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : path(std::move(other.path)), temporary(std::exchange(other.temporary, {})),
      descriptor(std::move(other.descriptor)) {}

AtomicFile::~AtomicFile() {
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

Expected<AtomicFile> AtomicFile::create(const std::string &path) {
  // Not mkstemp: its files are 0600 whatever the umask. A name left by a killed process is passed
  // over.
  std::string stem = path + format(".tmp-%ld", long(::getpid())), temporary = stem;
  int descriptor = -1;
  for (int attempt = 1; attempt < 1000; ++attempt) {
    descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || (errno != EEXIST && errno != EINTR))
      break;
    temporary = stem + format("-%d", attempt);
  }
  if (descriptor < 0)
    return ioError("create", path, errno);
  return AtomicFile(path, temporary, descriptor);
}

Status AtomicFile::write(std::string_view bytes) { return writeAll(descriptor.get(), bytes, path); }

Status AtomicFile::commit(Durability durability) {
  bool isSynced = durability == Durability::Synced;
  if (isSynced && ::fsync(descriptor.get()) != 0)
    return ioError("write", path, errno);
  // close() can report what a network file system found out late.
  if (::close(descriptor.release()) != 0 && errno != EINTR)
    return ioError("write", path, errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return ioError("rename a temporary file to", path, errno);
  temporary.clear();
  return isSynced ? syncFolder(parentFolder(path)) : Status::ok();
}

Status writeFileAtomically(const std::string &path, std::string_view content) {
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Status status = file->write(content); !status)
    return status;
  return file->commit();
}

} // namespace danaus
