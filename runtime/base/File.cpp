// POSIX calls behind File.h, restarted on EINTR.
#include "runtime/base/File.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace danaus {

namespace {

const char *hintFor(int errorNumber) {
  switch (errorNumber) {
  case ENOSPC:
  case EDQUOT:
    return "free some space or write elsewhere";
  case EFBIG:
    return "a limit on file sizes (ulimit -f) is too small";
  case EACCES:
  case EPERM:
    return "check the owner and permissions of the file and its folder";
  case EROFS:
    return "the file system is mounted read-only; write elsewhere";
  case ENOENT:
    return "check the path";
  case EMFILE:
    return "raise the limit on open files (ulimit -n)";
  default:
    return nullptr;
  }
}

int openRetrying(const std::string &path, int flags) {
  int descriptor;
  do
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

} // namespace

Error ioError(const std::string &action, const std::string &path, int errorNumber) {
  std::string text = "cannot " + action + " '" + path + "': " + std::strerror(errorNumber);
  if (const char *hint = hintFor(errorNumber))
    text += std::string(" (") + hint + ")";
  return Error(ExitCode::IoError, std::move(text));
}

FileDescriptor &FileDescriptor::operator=(FileDescriptor &&other) noexcept {
  if (this != &other) {
    close();
    descriptor = other.release();
  }
  return *this;
}

int FileDescriptor::release() { return std::exchange(descriptor, -1); }

void FileDescriptor::close() {
  if (descriptor >= 0)
    ::close(std::exchange(descriptor, -1));
}

Status writeAll(int descriptor, std::string_view bytes, const std::string &path) {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor, bytes.data(), std::min(bytes.size(), size_t(1) << 30));
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return ioError("write", path, errno);
    bytes.remove_prefix(size_t(written));
  }
  return Status::ok();
}

Status readExactly(int descriptor, void *into, uint64_t size, uint64_t offset,
                   const std::string &path, ExitCode shortCode) {
  char *position = static_cast<char *>(into);
  uint64_t done = 0;
  while (done < size) {
    size_t piece = size_t(std::min<uint64_t>(size - done, uint64_t(1) << 30));
    ssize_t got = ::pread(descriptor, position + done, piece, off_t(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return ioError("read", path, errno);
    if (got == 0)
      return Error(shortCode, format("'%s' is cut short: it ends after %llu bytes, %llu expected",
                                     path.c_str(), (unsigned long long)(offset + done),
                                     (unsigned long long)(offset + size)));
    done += uint64_t(got);
  }
  return Status::ok();
}

Expected<FileDescriptor> openForReading(const std::string &path) {
  FileDescriptor file(openRetrying(path, O_RDONLY));
  struct stat info;
  if (!file.valid() || ::fstat(file.get(), &info) != 0)
    return ioError("open", path, errno);
  if (S_ISDIR(info.st_mode))
    return ioError("read", path, EISDIR);
  return file;
}

Expected<std::string> readFile(const std::string &path, uint64_t limit, ExitCode tooLargeCode) {
  Expected<FileDescriptor> file = openForReading(path);
  if (!file)
    return file.takeError();
  std::string content;
  // Not by fstat's size: /proc and pipes say 0.
  for (char piece[1 << 14];;) {
    ssize_t got = ::read(file->get(), piece, sizeof(piece));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return ioError("read", path, errno);
    if (got == 0)
      return content;
    content.append(piece, size_t(got));
    if (content.size() > limit)
      return Error(tooLargeCode, format("'%s' is larger than the %llu bytes allowed for it",
                                        path.c_str(), (unsigned long long)limit));
  }
}

bool pathExists(const std::string &path) { return ::access(path.c_str(), F_OK) == 0; }

bool isFolder(const std::string &path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Expected<uint64_t> fileSize(const std::string &path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0)
    return ioError("read", path, errno);
  return uint64_t(info.st_size);
}

Status makeFolders(const std::string &path) {
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure)
    return ioError("create folder", path, failure.value());
  // A dangling link or a file in its place.
  return isFolder(path) ? Status::ok() : Status(ioError("create folder", path, ENOTDIR));
}

Status removeTree(const std::string &path) {
  std::error_code failure;
  std::filesystem::remove_all(path, failure);
  if (failure)
    return ioError("remove", path, failure.value());
  return Status::ok();
}

Status syncFolder(const std::string &path) {
  FileDescriptor folder(openRetrying(path, O_RDONLY | O_DIRECTORY));
  if (!folder.valid())
    return ioError("open folder", path, errno);
  // EINVAL: a file system on which folders cannot be synced; its renames need no help.
  if (::fsync(folder.get()) != 0 && errno != EINVAL)
    return ioError("sync folder", path, errno);
  return Status::ok();
}

std::string parentFolder(const std::string &path) {
  std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string joinPath(const std::string &folder, std::string_view name) {
  if (folder.empty() || folder.back() == '/')
    return folder + std::string(name);
  return folder + "/" + std::string(name);
}

} // namespace danaus
