// A kernel ready to run: instructions with a handler each, operands resolved to places in a warp's
// register file. Private to the engine.
#pragma once

#include "runtime/vgpu/Engine.h"
#include "runtime/vgpu/Ptx.h"

#include <map>
#include <memory>

namespace danaus::vgpu {

class Warp;
struct Instruction;

/// Executes one instruction for the lanes of warp.mask.
using Handler = void (*)(Warp &warp, const Instruction &instruction);

inline constexpr uint32_t NoRegister = ~0u;
inline constexpr unsigned Lanes = 32;

/// Registers lie in one array of 32-bit words: 32 words for the lanes of a 32-bit (or smaller)
/// register, 64 for those of a 64-bit one, one word of bits for a predicate. Immediates are
/// registers too.
struct Instruction {
  Handler run = nullptr;
  uint32_t to[4] = {NoRegister, NoRegister, NoRegister, NoRegister};
  uint32_t from[10] = {};
  uint32_t guard = NoRegister;
  bool guardNegated = false;
  uint8_t negated = 0;    ///< bit i: predicate from[i] is negated
  uint8_t bytes = 0;      ///< of an element in memory
  uint8_t count = 1;      ///< elements of a vector access, matrices of ldmatrix
  bool isOfLanes = false; ///< lanes do not need each other: arithmetic, loads, stores
  bool flag = false;      ///< by opcode: sign extension, transposition, ...
  int64_t offset = 0;     ///< of an address
  uint32_t target = 0;    ///< of a branch
  unsigned ptxLine = 0, sourceLine = 0;
};

/// What may be read without being written: %tid and its kind.
enum class Special : uint32_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  Laneid,
  Warpid,
  Count
};

struct Kernel {
  KernelInfo info;
  std::vector<Instruction> code; ///< ends with an exit
  uint32_t registerWords = 0;
  std::vector<std::pair<uint32_t, uint64_t>> constants32,
      constants64;                          ///< word of a register, value
  uint32_t special[size_t(Special::Count)]; ///< words of their registers
  uint32_t staticSharedBytes = 0, localBytes = 0;
};

/// Addresses of shared memory in the generic space: SharedWindow + offset.
inline constexpr uint64_t SharedWindow = uint64_t(0x7E) << 56;
inline constexpr uint64_t LocalWindow = uint64_t(0x7D) << 56;

class LoadedModule final : public Module {
public:
  std::vector<std::string> kernels() const override;
  const KernelInfo *find(const std::string &kernel) const override;
  bool findVariable(const std::string &name, uint64_t &address, uint64_t &bytes) const override;

  std::map<std::string, Kernel> code;
  struct Variable {
    uint64_t address, bytes;
  };
  std::map<std::string, Variable> variables;
};

/// Decodes one function; symbols of the module are in `module`. Usage with the PTX line for what is
/// not implemented, or not in `sm`.
Expected<Kernel> decode(const PtxFunction &function, const PtxFile &file,
                        const LoadedModule &module, unsigned sm);

/// The handler of an instruction, or null. May set fields of `to` that depend on the opcode.
Handler findArithmetic(const PtxInstruction &from, Instruction &to);
Handler findMemory(const PtxInstruction &from, Instruction &to);
Handler findCopy(const PtxInstruction &from, Instruction &to);
Handler findWarpLevel(const PtxInstruction &from, Instruction &to);

} // namespace danaus::vgpu
