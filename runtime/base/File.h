// Reading and writing whole files, and the few folder operations that the runtime needs. Every
// error names the path, says errno in words and, where there is one, what to do about it. Knows
// only POSIX.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace danaus {

/// "cannot <action> '<path>': <errno in words> (<hint>)" with ExitCode::IoError.
Error ioError(const std::string &action, const std::string &path, int errorNumber);

/// Owns a file descriptor.
class FileDescriptor {
public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor(descriptor) {}
  FileDescriptor(FileDescriptor &&other) noexcept : descriptor(other.release()) {}
  FileDescriptor &operator=(FileDescriptor &&other) noexcept;
  ~FileDescriptor() { close(); }

  int get() const { return descriptor; }
  bool valid() const { return descriptor >= 0; }
  int release();
  void close();

private:
  int descriptor = -1;
};

/// Writes all of `bytes` at the descriptor's position; `path` is for the message.
Status writeAll(int descriptor, std::string_view bytes, const std::string &path);

/// Reads exactly `size` bytes at `offset`; a short file is an error of `shortCode`.
Status readExactly(int descriptor, void *into, uint64_t size, uint64_t offset,
                   const std::string &path, ExitCode shortCode = ExitCode::IoError);

/// Opens a file (not a folder).
Expected<FileDescriptor> openForReading(const std::string &path);

/// The whole of a file; more than `limit` bytes is an error of `tooLargeCode`.
Expected<std::string> readFile(const std::string &path, uint64_t limit,
                               ExitCode tooLargeCode = ExitCode::IoError);

/// Does something (file or folder) exist at this path?
bool pathExists(const std::string &path);
bool isFolder(const std::string &path);

/// The size of a file in bytes.
Expected<uint64_t> fileSize(const std::string &path);

/// Creates the folder and its parents; an existing folder is fine.
Status makeFolders(const std::string &path);

/// Removes a file or a folder with all in it; nothing there is fine.
Status removeTree(const std::string &path);

/// Makes renames inside a folder durable.
Status syncFolder(const std::string &path);

/// The folder part of a path: "." when there is none.
std::string parentFolder(const std::string &path);
/// folder + "/" + name.
std::string joinPath(const std::string &folder, std::string_view name);

} // namespace danaus
