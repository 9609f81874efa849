// From names to places: registers get words of a warp's register file, immediates become registers
// that hold them, symbols become addresses, labels become program counters.
#include "runtime/vgpu/Program.h"

#include <algorithm>

namespace danaus::vgpu {

namespace {

class Decoder {
public:
  Decoder(const PtxFunction &function, const PtxFile &file, const LoadedModule &module, unsigned sm)
      : function(function), file(file), module(module), sm(sm) {}

  Expected<Kernel> run() {
    placeParameters();
    placeVariables();
    placeRegisters();
    for (const PtxInstruction &from : function.body) {
      Instruction to;
      if (Status status = decode(from, to); !status)
        return Error(ExitCode::Usage, format("PTX line %u: ", from.line) +
                                          status.error().message() + ": " + from.opcode);
      kernel.code.push_back(to);
    }
    Instruction end;
    PtxInstruction ret;
    ret.opcode = "ret";
    ret.parts = {"ret"};
    end.run = findWarpLevel(ret, end);
    kernel.code.push_back(end);
    kernel.registerWords = words;
    return std::move(kernel);
  }

private:
  static uint32_t alignUp(uint64_t value, uint64_t to) {
    return uint32_t((value + to - 1) / to * to);
  }

  void placeParameters() {
    kernel.info.name = function.name;
    kernel.info.maxThreads = function.maxThreads;
    uint32_t offset = 0;
    for (const PtxVariable &parameter : function.parameters) {
      offset = alignUp(offset, std::max<uint64_t>(parameter.align, 1));
      kernel.info.parameterOffsets.push_back(offset);
      kernel.info.parameterBytes.push_back(uint32_t(parameter.bytes));
      symbols[parameter.name] = offset;
      offset += uint32_t(parameter.bytes);
    }
    kernel.info.parameterBlockBytes = offset;
  }

  void placeVariables() {
    uint32_t shared = 0, local = 0;
    for (const PtxVariable &variable : function.shared) {
      shared = alignUp(shared, variable.align);
      symbols[variable.name] = shared;
      shared += uint32_t(variable.bytes);
    }
    // Dynamic shared memory lies behind the static.
    shared = alignUp(shared, 16);
    for (const PtxVariable &variable : file.externShared)
      symbols[variable.name] = shared;
    for (const PtxVariable &variable : function.local) {
      local = alignUp(local, variable.align);
      symbols[variable.name] = local;
      local += uint32_t(variable.bytes);
    }
    kernel.staticSharedBytes = kernel.info.staticSharedBytes = shared;
    kernel.localBytes = kernel.info.localBytes = local;
  }

  void placeRegisters() {
    for (const auto &[name, type] : function.registers) {
      unsigned bytes = type == "pred" ? 0 : bytesOfType(type);
      places[name] = words;
      wide[name] = bytes == 8;
      words += type == "pred" ? 1 : bytes == 8 ? 2 * Lanes : Lanes;
      // Lanes of 64 bits are read as such.
      words = words + words % 2;
    }
    words = alignUp(words, 16);
    static const char *const names[] = {
        "%tid.x",   "%tid.y",   "%tid.z",    "%ntid.x",   "%ntid.y",   "%ntid.z", "%ctaid.x",
        "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid"};
    static_assert(std::size(names) == size_t(Special::Count));
    for (size_t i = 0; i < std::size(names); ++i) {
      kernel.special[i] = words;
      places[names[i]] = words;
      words += Lanes;
    }
  }

  /// A register that holds a number, 64 bits wide: its low words serve narrower readers, since
  /// lanes are read by the reader's own width.
  uint32_t constant(uint64_t value, bool is64) {
    auto key = std::pair(value, is64);
    auto [entry, isNew] = constantPlaces.try_emplace(key, words);
    if (isNew) {
      words += is64 ? 2 * Lanes : Lanes;
      (is64 ? kernel.constants64 : kernel.constants32).push_back({entry->second, value});
    }
    return entry->second;
  }

  /// How wide the sources of an instruction are, in bytes; 4 where it does not matter.
  static unsigned sourceBytes(const PtxInstruction &from, size_t index) {
    const std::string &name = from.parts[0];
    if (name == "cvta" || name == "bra")
      return 8;
    if ((name == "shl" || name == "shr") && index == 1)
      return 4; // the distance
    if (name == "mul" || name == "mad")
      if (from.has("wide"))
        return index == 2 ? 2 * bytesOfType(from.type()) : bytesOfType(from.type());
    if (name == "shfl" || name == "vote" || name == "bar" || name == "barrier")
      return 4;
    if (name == "bfe" && index > 0)
      return 4;
    if (name == "bfi" && index > 1)
      return 4;
    return std::max(bytesOfType(from.type()), 4u);
  }

  Status placeOf(const PtxOperand &operand, unsigned bytes, uint32_t &place) {
    if (operand.kind == PtxOperand::Number) {
      place = constant(operand.bits, bytes == 8);
      return Status::ok();
    }
    if (auto known = places.find(operand.name); known != places.end()) {
      place = known->second;
      return Status::ok();
    }
    if (auto symbol = symbols.find(operand.name); symbol != symbols.end()) {
      place = constant(symbol->second, bytes == 8);
      return Status::ok();
    }
    if (auto variable = module.variables.find(operand.name); variable != module.variables.end()) {
      place = constant(variable->second.address, bytes == 8);
      return Status::ok();
    }
    if (operand.name == "WARP_SZ") {
      place = constant(Lanes, bytes == 8);
      return Status::ok();
    }
    return Error(ExitCode::Usage, "'" + operand.name + "' is not declared, or not implemented");
  }

  Status placeAddress(const PtxOperand &operand, Instruction &to, uint32_t &place) {
    to.offset = operand.offset;
    if (operand.name.empty()) {
      place = constant(0, true);
      return Status::ok();
    }
    if (auto known = places.find(operand.name); known != places.end()) {
      place = known->second;
      // 32-bit addresses, as of shared memory, are widened by the handler.
      if (!wide[operand.name])
        to.negated |= 0x80;
      return Status::ok();
    }
    return placeOf(operand, 8, place);
  }

  /// All places that an operand stands for, one behind the other.
  Status addPlaces(const PtxOperand &operand, unsigned bytes, Instruction &to,
                   std::vector<uint32_t> &list) {
    if (operand.kind == PtxOperand::Vector) {
      for (const PtxOperand &element : operand.elements)
        if (Status status = addPlaces(element, bytes, to, list); !status)
          return status;
      return Status::ok();
    }
    uint32_t place = NoRegister;
    Status status = operand.kind == PtxOperand::Address ? placeAddress(operand, to, place)
                    : operand.name == "_"               ? Status::ok()
                                                        : placeOf(operand, bytes, place);
    if (status)
      list.push_back(place);
    return status;
  }

  Status decode(const PtxInstruction &from, Instruction &to) {
    to.ptxLine = from.line;
    to.sourceLine = from.sourceLine;
    if (!from.guard.empty()) {
      auto guard = places.find(from.guard);
      if (guard == places.end())
        return Error(ExitCode::Usage, "the predicate '" + from.guard + "' is not declared");
      to.guard = guard->second;
      to.guardNegated = from.guardNegated;
    }
    for (Handler (*find)(const PtxInstruction &, Instruction &) :
         {findArithmetic, findMemory, findCopy, findWarpLevel})
      if (!to.run) {
        to.run = find(from, to);
        to.isOfLanes = to.run && (find == findArithmetic || find == findMemory);
      }
    if (!to.run)
      return Error(ExitCode::Usage, "this instruction is not implemented by the virtual GPU");
    bool isAmpere =
        from.parts[0] == "cp" || from.has("bf16") || from.has("bf16x2") || from.has("tf32");
    if (isAmpere && sm < 80)
      return Error(ExitCode::Usage, format("needs sm_80, and this virtual GPU is sm_%u", sm));
    if (from.parts[0] == "bra") {
      auto label = function.labels.find(from.operands.at(0).name);
      if (label == function.labels.end())
        return Error(ExitCode::Usage, "there is no label '" + from.operands[0].name + "'");
      to.target = uint32_t(label->second);
      return Status::ok();
    }
    return placeOperands(from, to);
  }

  /// What instructions write stands first, but for those that write nothing.
  static size_t resultsOf(const PtxInstruction &from) {
    static const char *const none[] = {"st",   "bar",      "barrier",  "cp",   "ret",
                                       "exit", "membar",   "fence",    "trap", "red",
                                       "bra",  "prefetch", "nanosleep"};
    if (from.parts[0] == "bar" && from.has("warp"))
      return 0;
    if (std::ranges::find(none, from.parts[0]) != std::end(none))
      return 0;
    bool twoPredicates = from.parts[0] == "setp" && from.operands.size() > 3 && !from.has("and") &&
                         !from.has("or") && !from.has("xor");
    bool valueAndPredicate = from.parts[0] == "shfl" && from.operands.size() == 6;
    return twoPredicates || valueAndPredicate ? 2 : 1;
  }

  Status placeOperands(const PtxInstruction &from, Instruction &to) {
    std::vector<uint32_t> results, sources;
    size_t resultCount = resultsOf(from);
    for (size_t i = 0; i < from.operands.size(); ++i) {
      const PtxOperand &operand = from.operands[i];
      bool isResult = i < resultCount;
      if (!isResult && operand.negated)
        to.negated |= uint8_t(1 << sources.size());
      if (Status status = addPlaces(operand, isResult ? 4 : sourceBytes(from, i - resultCount), to,
                                    isResult ? results : sources);
          !status)
        return status;
    }
    if (results.size() > std::size(to.to) || sources.size() > std::size(to.from))
      return Error(ExitCode::Usage, "it has too many operands");
    std::ranges::copy(results, to.to);
    std::ranges::copy(sources, to.from);
    return Status::ok();
  }

  const PtxFunction &function;
  const PtxFile &file;
  const LoadedModule &module;
  unsigned sm;
  Kernel kernel;
  uint32_t words = 0;
  std::map<std::string, uint32_t> places;
  std::map<std::string, bool> wide;
  std::map<std::string, uint64_t> symbols;
  std::map<std::pair<uint64_t, bool>, uint32_t> constantPlaces;
};

} // namespace

Expected<Kernel> decode(const PtxFunction &function, const PtxFile &file,
                        const LoadedModule &module, unsigned sm) {
  return Decoder(function, file, module, sm).run();
}

std::vector<std::string> LoadedModule::kernels() const {
  std::vector<std::string> names;
  for (const auto &[name, kernel] : code)
    names.push_back(name);
  return names;
}

const KernelInfo *LoadedModule::find(const std::string &kernel) const {
  auto found = code.find(kernel);
  return found == code.end() ? nullptr : &found->second.info;
}

bool LoadedModule::findVariable(const std::string &name, uint64_t &address, uint64_t &bytes) const {
  auto found = variables.find(name);
  if (found == variables.end())
    return false;
  address = found->second.address;
  bytes = found->second.bytes;
  return true;
}

Expected<std::unique_ptr<Module>> Module::load(const std::string &ptx, unsigned sm,
                                               Memory &memory) {
  auto file = parsePtx(ptx);
  if (!file)
    return file.takeError();
  if (file->target > sm)
    return Error(
        ExitCode::Usage,
        format("the PTX is for sm_%u and newer, and this virtual GPU is sm_%u", file->target, sm));
  auto module = std::make_unique<LoadedModule>();
  uint64_t number = 0;
  for (const auto *list : {&file->globals, &file->constants})
    for (const PtxVariable &variable : *list) {
      auto address = memory.allocate(variable.bytes);
      if (!address)
        return address.takeError();
      std::vector<std::byte> initial(variable.bytes);
      std::ranges::transform(variable.initial, initial.begin(),
                             [](uint8_t b) { return std::byte(b); });
      Order order{~0u, ++number, {}, "loading the module"};
      if (Status status = memory.write(*address, initial, order); !status)
        return status.takeError();
      module->variables[variable.name] = {*address, variable.bytes};
    }
  for (const PtxFunction &function : file->kernels) {
    auto kernel = decode(function, *file, *module, sm);
    if (!kernel)
      return kernel.takeError();
    module->code.emplace(function.name, std::move(*kernel));
  }
  return std::unique_ptr<Module>(std::move(module));
}

} // namespace danaus::vgpu
