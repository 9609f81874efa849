// A small valid model, and the means to break it: shared by the tests of plan and exec.
#pragma once

#include "runtime/plan/ModelFile.h"

#include <filesystem>
#include <string>
#include <vector>

namespace danaus::test {

using Bytes = std::vector<std::byte>;

/// One phase, parameters w [2, 3] and b [2], sgd with momentum, batch 4, one target cpu:baseline
/// with code section 1. The symbols are those of test/runtime/device/kernels.cpp.
fb::ModelT makeModel();

Bytes pack(const fb::ModelT &model);

/// A whole container in memory, without writing it.
Bytes makeContainer(const fb::ModelT &model, const Bytes &code);

/// Makes all checksums right again after the bytes were changed.
void reseal(Bytes &container);

Bytes readBytes(const std::string &path);
void writeBytes(const std::string &path, const Bytes &bytes);

/// A fresh folder, removed with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string file(const std::string &name) const { return (path / name).string(); }
  size_t entries() const;

private:
  std::filesystem::path path;
};

} // namespace danaus::test
