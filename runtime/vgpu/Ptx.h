// PTX as text taken apart: declarations and instructions with names, nothing resolved. See the PTX
// ISA reference, chapters "Syntax", "State Spaces" and "Instruction Operands".
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace danaus::vgpu {

struct PtxOperand {
  enum Kind { Name, Number, Address, Vector } kind = Name;
  std::string name;     ///< of a register, symbol or label; of an Address its base, empty for none
  uint64_t bits = 0;    ///< of a Number: two's complement, or the bits of a float
  int64_t offset = 0;   ///< of an Address
  bool negated = false; ///< !%p
  std::vector<PtxOperand> elements;
};

struct PtxInstruction {
  std::string opcode;             ///< "ld.global.nc.f32"
  std::vector<std::string> parts; ///< of it, between the dots
  std::string guard;              ///< predicate register; empty: always
  bool guardNegated = false;
  std::vector<PtxOperand> operands;
  unsigned line = 0, sourceLine = 0;

  bool has(const std::string &part) const;
  /// The last part: mostly the type.
  const std::string &type() const { return parts.back(); }
};

struct PtxVariable {
  std::string name;
  uint64_t bytes = 0, align = 1;
  std::vector<uint8_t> initial; ///< empty: zeros
};

struct PtxFunction {
  std::string name;
  std::vector<PtxVariable> parameters;          ///< in order
  std::map<std::string, std::string> registers; ///< name (scoped ones with a suffix) to type: "b32"
  std::map<std::string, size_t> labels;         ///< to the index of an instruction
  std::vector<PtxVariable> shared, local;
  std::vector<PtxInstruction> body;
  uint32_t maxThreads = 0; ///< .maxntid; 0: not given
};

struct PtxFile {
  unsigned target = 0; ///< 80 of ".target sm_80"
  std::vector<PtxVariable> globals, constants;
  std::vector<PtxVariable> externShared; ///< dynamic shared memory, of size 0
  std::vector<PtxFunction> kernels;
};

/// Bytes of a PTX type: 4 of "f32"; 0 for what is none.
unsigned bytesOfType(const std::string &type);

/// Usage with the line for what is no PTX that we know.
Expected<PtxFile> parsePtx(const std::string &text);

} // namespace danaus::vgpu
