// A file that only grows, in records; buffered. Resuming cuts it back to a number of records. What
// a record is, the caller says.
#pragma once

#include "runtime/base/File.h"

namespace danaus {

class AppendFile {
public:
  /// Opens the file (or creates it) and cuts it to `bytes`.
  static Expected<AppendFile> reopen(const std::string &path, uint64_t bytes);
  AppendFile(AppendFile &&) = default;
  /// Writes what is still buffered; an error at this point is lost, so call flush() before.
  ~AppendFile();

  Status append(std::string_view record);
  /// Hands everything to the system, so that others can read it.
  Status flush();
  /// And to the disk.
  Status sync();

private:
  AppendFile(std::string path, FileDescriptor file);

  std::string path, buffer;
  FileDescriptor file;
};

} // namespace danaus
