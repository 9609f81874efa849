// Names of layers and parameters from the names that exporters give to nodes and initializers.
#include "compiler/onnx/Importer.h"

#include "llvm/ADT/StringExtras.h"

using namespace danaus;
using llvm::StringRef;

static std::string cleaned(StringRef text) {
  std::string result;
  for (char c : text)
    result += llvm::isAlnum(c) || c == '_' || c == '-' || c == '.' ? c : '_';
  return result.empty() ? "_" : result;
}

std::string onnx::modulePath(StringRef node) {
  if (!node.starts_with("/"))
    return "";
  llvm::SmallVector<StringRef> parts;
  node.drop_front().split(parts, '/');
  parts.pop_back(); // the operator
  std::string path;
  for (size_t i = 0; i < parts.size(); ++i) {
    // A module in a list is "list.0" inside "list".
    if (i + 1 < parts.size() && parts[i + 1].starts_with((parts[i] + ".").str()))
      continue;
    path += (path.empty() ? "" : ".") + cleaned(parts[i]);
  }
  return path;
}

std::string onnx::parameterName(StringRef initializer, StringRef user) {
  // PyTorch's older exporter forgets the name of a weight that it stores transposed.
  std::string path = modulePath(user);
  if (initializer.starts_with("onnx::") && !path.empty())
    return path + ".weight";
  return cleaned(initializer);
}

std::string onnx::layerName(const Node &node, StringRef weight) {
  if (std::string path = modulePath(node.name); !path.empty())
    return path;
  auto [layer, part] = weight.rsplit('.');
  return part.empty() ? cleaned(StringRef(node.name).ltrim('/')) : layer.str();
}
