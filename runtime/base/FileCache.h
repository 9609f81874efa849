// A folder of files that can be made again: each has a name made of everything that it depends on.
// Any number of processes may share it: files appear whole or not at all. They are not synced, so
// that a power cut can leave a damaged one: whoever reads must find that out (checksums). Nothing
// that goes wrong here is an error: what is not found is made again.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace danaus {

/// ${DANAUS_CACHE:-${XDG_CACHE_HOME:-~/.cache}/danaus}; empty when no variable says where.
std::string cacheFolder();

class FileCache {
public:
  /// Files KEY + `ending` (a key is Hash::hex()) in this folder, which is made when the first is
  /// kept; "" keeps nothing. They may have `limit` bytes together.
  FileCache(std::string folder, std::string ending, uint64_t limit)
      : folder(std::move(folder)), ending(std::move(ending)), limit(limit) {}

  /// Where the file is or would be; `more` names a second file of the same key. Empty: nowhere.
  std::string pathOf(const std::string &key, std::string_view more = {}) const;

  /// The bytes of a file, if it is there; it counts as used.
  std::optional<std::string> find(const std::string &key, std::string_view more = {}) const;
  /// The file was used now: what was not used for longest is removed first.
  void markUsed(const std::string &key) const;

  /// Keeps a file, in place of one that is there. False when it cannot (a full disk, no
  /// permission).
  bool keep(const std::string &key, std::string_view bytes, std::string_view more = {}) const;

  /// Removes what was not used for longest, down to three quarters of the limit, where the files
  /// have more together. Other files of the folder are left alone.
  void trim() const;

private:
  std::string folder, ending;
  uint64_t limit;
};

} // namespace danaus
