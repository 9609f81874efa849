// From a spec to a model binary by the danausc beside this program, through the cache of compiled
// models. Knows how danausc is called, nothing of what it does.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/plan/ModelCache.h"
#include "runtime/safetensors/Safetensors.h"
#include "runtime/train/RunModel.h"

#include <memory>
#include <string>
#include <vector>

namespace danaus::tool {

/// A folder that is removed with all in it when the object goes.
class TemporaryFolder {
public:
  static Expected<std::unique_ptr<TemporaryFolder>> create();
  explicit TemporaryFolder(std::string path) : path(std::move(path)) {}
  TemporaryFolder(const TemporaryFolder &) = delete;
  ~TemporaryFolder();
  const std::string path;
};

struct CompiledModel {
  ModelFile file;
  double milliseconds = 0; ///< what the compiler took; 0 when the binary was in the cache
  /// Holds the binary where no cache folder can be written.
  std::unique_ptr<TemporaryFolder> temporary;
};

/// The binary of this spec, from the cache or compiled into it. The compiler's diagnostics pass
/// through to stderr and its exit code is the error's (with an empty message).
Expected<CompiledModel> compileModel(const CompileRequest &request);

/// IoError where danausc is not beside this program; `why` says what needs it.
Status checkCompiler(const std::string &why);

/// A run's own spec with the ranks that its weights have chosen; the binary stays in the run's
/// folder. Ended early where `stops` says so.
Status compileAgain(const Recompilation &what, const std::function<bool()> &stops);

/// The weights of an .onnx file, under the names that a spec of `kind: onnx` gives them.
Expected<SafetensorsFile> openOnnxWeights(const std::string &path);
/// The same as a safetensors file.
Status writeOnnxWeights(const std::string &path, const std::string &output);

struct OnnxRequest {
  std::string spec;
  std::vector<std::string> overrides;
  std::string weights;     ///< safetensors
  std::string chosenRanks; ///< as in CompileRequest
  uint64_t phase = 0;      ///< from 1; 0: the one that the weights fit
  uint64_t batch = 0;      ///< 0: open
};

/// Writes the model with its weights as an .onnx file.
Status writeOnnx(const OnnxRequest &request, const std::string &output);

} // namespace danaus::tool
