// A file that appears under its name only when it is complete: written under a temporary name in
// the same folder, synced, renamed. A crash leaves the old content; a failure removes the temporary
// file.
#pragma once

#include "runtime/base/File.h"

namespace danaus {

/// Whether the file must survive a power cut once commit() has returned. Unsynced: what is under
/// the name then may be damaged; for files that can be made again.
enum class Durability { Synced, Unsynced };

class AtomicFile {
public:
  /// Opens the temporary file beside `path`.
  static Expected<AtomicFile> create(const std::string &path);
  AtomicFile(AtomicFile &&) noexcept;
  AtomicFile &operator=(AtomicFile &&) = delete;
  /// Removes the temporary file unless commit() succeeded.
  ~AtomicFile();

  Status write(std::string_view bytes);
  /// Syncs, renames to the final name and syncs the folder.
  Status commit(Durability durability = Durability::Synced);

private:
  AtomicFile(std::string path, std::string temporary, int descriptor);

  std::string path, temporary;
  FileDescriptor descriptor;
};

Status writeFileAtomically(const std::string &path, std::string_view content);

} // namespace danaus
