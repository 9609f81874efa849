// Compiled models kept on disk, so that a spec is compiled once on a machine: danausc writes them,
// both programs read them. Files KEY.dnb in the user's cache folder; what the compiler warned of
// stands beside as KEY.dnb.warnings. A damaged file is not found.
#pragma once

#include "runtime/base/FileCache.h"
#include "runtime/plan/ModelFile.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danaus {

/// What is compiled, as danausc's command line says it.
struct CompileRequest {
  std::string spec;                   ///< path as the user wrote it
  std::vector<std::string> overrides; ///< key=value
  std::string target = "cpu";         ///< or several: "cpu:avx2,cuda:sm_80"
  uint64_t ranks = 1;                 ///< processes that train together
  std::string chosenRanks = {};       ///< ranks.json of a run; empty: none
};

/// What compiles it, and where.
struct CompilerPlace {
  /// danausc and the libraries that generate code: known by size, time and inode.
  std::vector<std::string> files;
  std::string isa;   ///< this machine's best, which "cpu" means
  std::string nvrtc; ///< the version of NVRTC, which a CUDA target depends on; else empty
};

/// The name of everything that the binary depends on: the spec's text and path (paths in it are
/// relative to that), the .onnx files that it names (their sizes and times), overrides, targets,
/// ranks, and the compiler. CheckpointInvalid where the file of chosen ranks cannot be read.
Expected<std::string> cacheKey(const CompileRequest &request, std::string_view text,
                               const CompilerPlace &place);

/// The same for the compiler alone.
std::string compilerKey(const std::vector<std::string> &files);

struct CachedModel {
  ModelFile file;
  std::string warnings; ///< what the compiler printed; empty: nothing
};

class ModelCache {
public:
  /// In this folder; "" finds and keeps nothing.
  explicit ModelCache(std::string folder) : files(std::move(folder), ".dnb", limit) {}

  std::string pathOf(const std::string &key) const { return files.pathOf(key); }
  std::optional<CachedModel> find(const std::string &key) const;
  /// Keeps the bytes of a model file.
  void keep(const std::string &key, std::span<const std::byte> bytes,
            const std::string &warnings) const;

private:
  static constexpr uint64_t limit = uint64_t(1) << 30;
  FileCache files;
};

} // namespace danaus
