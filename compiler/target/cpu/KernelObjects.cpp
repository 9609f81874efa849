// See KernelObjects.h. A file: magic, crc32 of the rest, the length of the symbol, plan.tiles and
// plan.scratch, the symbol, the object.
#include "compiler/target/cpu/KernelObjects.h"

#include "dialects/plan/Plan.h"
#include "runtime/base/Checksum.h"
#include "runtime/base/Hash.h"

#include "llvm/ObjCopy/CommonConfig.h"
#include "llvm/ObjCopy/ELF/ELFConfig.h"
#include "llvm/ObjCopy/ELF/ELFObjcopy.h"
#include "llvm/Object/ELFObjectFile.h"

#include <cstring>

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {
constexpr char magic[8] = {'D', 'N', 'O', '1', '\r', '\n', 0x1A, '\n'};

struct Header {
  char magic[8];
  uint32_t checksum; ///< of everything behind it
  uint32_t symbolBytes;
  int64_t tiles, scratch;
};
static_assert(sizeof(Header) == 32);

uint32_t checksumOf(std::string_view file) {
  constexpr size_t skipped = offsetof(Header, symbolBytes);
  return crc32(file.data() + skipped, file.size() - skipped);
}

/// The object file with another name for its kernel.
std::optional<std::string> renamed(const std::string &object, StringRef from, StringRef to) {
  if (from == to)
    return object;
  auto file =
      llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, "kernel"));
  if (!file) {
    llvm::consumeError(file.takeError());
    return std::nullopt;
  }
  llvm::objcopy::CommonConfig config;
  config.SymbolsToRename[from] = to;
  std::string result;
  llvm::raw_string_ostream os(result);
  if (llvm::Error error = llvm::objcopy::elf::executeObjcopyOnBinary(
          config, llvm::objcopy::ELFConfig(), cast<llvm::object::ELFObjectFileBase>(**file), os)) {
    llvm::consumeError(std::move(error));
    return std::nullopt;
  }
  return result;
}

int64_t numberOf(func::FuncOp kernel, StringRef attribute) {
  return kernel->getAttrOfType<IntegerAttr>(attribute).getInt();
}
} // namespace

std::string KernelObjects::keyOf(func::FuncOp kernel, const Isa &isa) const {
  if (isOff)
    return "";
  std::string text;
  llvm::raw_string_ostream stream(text);
  kernel->print(stream, OpPrintingFlags().useLocalScope());
  std::string symbol = "@" + kernel.getName().str();
  text.replace(text.find(symbol), symbol.size(), "@");
  Hash hash;
  hash.add("object 1"); // the format of a file
  hash.add(text);
  hash.add(isa.name);
  hash.add(compiler);
  return hash.hex();
}

std::optional<std::string> KernelObjects::find(const std::string &key, func::FuncOp kernel) const {
  if (isOff)
    return std::nullopt;
  std::optional<std::string> file = files.find(key);
  Header header;
  if (!file || file->size() < sizeof(header))
    return std::nullopt;
  std::memcpy(&header, file->data(), sizeof(header));
  if (std::memcmp(header.magic, magic, sizeof(magic)) != 0 ||
      header.checksum != checksumOf(*file) || header.symbolBytes > file->size() - sizeof(header))
    return std::nullopt;
  std::string symbol = file->substr(sizeof(header), header.symbolBytes);
  auto object =
      renamed(file->substr(sizeof(header) + header.symbolBytes), symbol, kernel.getName());
  if (!object)
    return std::nullopt;
  Builder builder(kernel.getContext());
  kernel->setAttr(plan::TilesAttr, builder.getI64IntegerAttr(header.tiles));
  kernel->setAttr(plan::ScratchAttr, builder.getI64IntegerAttr(header.scratch));
  return object;
}

void KernelObjects::keep(const std::string &key, func::FuncOp kernel,
                         const std::string &object) const {
  if (isOff)
    return;
  std::string symbol = kernel.getName().str();
  Header header = {{},
                   0,
                   uint32_t(symbol.size()),
                   numberOf(kernel, plan::TilesAttr),
                   numberOf(kernel, plan::ScratchAttr)};
  std::memcpy(header.magic, magic, sizeof(magic));
  std::string file(reinterpret_cast<const char *>(&header), sizeof(header));
  file += symbol + object;
  uint32_t checksum = checksumOf(file);
  std::memcpy(file.data() + offsetof(Header, checksum), &checksum, sizeof(checksum));
  (void)files.keep(key, file);
}
