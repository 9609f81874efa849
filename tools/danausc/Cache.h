// What danausc has compiled before, in the user's cache folder: models, which danaus shares, and
// kernels.
#pragma once

#include "runtime/plan/ModelCache.h"
#include "tools/danausc/CommandLine.h"

namespace danaus {

class CompilerCache {
public:
  /// For one command line and the text of its spec; finds and keeps nothing where the line asks for
  /// something else than a model. Errors as cacheKey().
  static Expected<CompilerCache> open(const CommandLine &line, llvm::StringRef text);

  std::optional<CachedModel> find() const { return models.find(key); }
  void keep(std::span<const std::byte> bytes, const std::string &warnings) const {
    models.keep(key, bytes, warnings);
  }
  const KnownKernels &kernels() const { return known; }

private:
  CompilerCache() : models("") {}

  ModelCache models;
  std::string key;
  KnownKernels known;
};

} // namespace danaus
