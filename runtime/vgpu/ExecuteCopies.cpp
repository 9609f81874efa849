// Handlers of what moves whole tiles: cp.async to shared memory, ldmatrix out of it.
#include "runtime/vgpu/MemoryAccess.h"

#include <algorithm>

namespace danaus::vgpu {

namespace {

// --- cp.async --------------------------------------------------------------

/// cp.async [to], [from], bytes{, size}: lands at the wait; until then what it will write is
/// nobody's.
void copyAsync(Warp &w, const Instruction &in) {
  PendingCopy copy;
  copy.mask = w.mask;
  copy.bytes = in.bytes;
  copy.instruction = &in;
  Addresses to, from;
  for (unsigned i = 0; i < Lanes; ++i) {
    // The first address is 32 bits wide, the second 64.
    to[i] = w.lanes<uint32_t>(in.from[0])[i];
    from[i] = w.lanes<uint64_t>(in.from[1])[i];
    copy.to[i] = uint32_t(to[i]);
    copy.from[i] = from[i];
    copy.size[i] =
        in.flag ? std::min<uint32_t>(w.lanes<uint32_t>(in.from[3])[i], in.bytes) : in.bytes;
  }
  spread(w, to);
  if (!countShared(w, in, to, in.bytes, Access::Write, "cp.async"))
    return;
  uint32_t all = w.mask;
  for (unsigned i = 0; i < Lanes; ++i)
    if (copy.size[i] == 0)
      w.mask &= ~(1u << i);
  if (w.mask) {
    spread(w, from);
    accessGlobal(w, in, from, in.bytes, Access::Read, "cp.async");
  }
  w.mask = all;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    uint32_t other = 0, place = 0;
    auto conflict = w.block->shared.startCopy(copy.to[i], in.bytes, w.number, other, place);
    if (conflict != SharedMemory::Conflict::None) {
      reportShared(w, in, i, conflict, other, place, Access::Write);
      break;
    }
  }
  w.open.push_back(copy);
}

void commitCopies(Warp &w, const Instruction &) {
  w.copies.push_back(std::move(w.open));
  w.open.clear();
}

void finish(Warp &w, const PendingCopy &copy) {
  SharedMemory &shared = w.block->shared;
  for (uint32_t left = copy.mask; left; left &= left - 1) {
    int i = firstLane(left);
    if (copy.size[i] > 0)
      std::memcpy(shared.data() + copy.to[i], reinterpret_cast<const void *>(copy.from[i]),
                  copy.size[i]);
    std::memset(shared.data() + copy.to[i] + copy.size[i], 0, copy.bytes - copy.size[i]);
    uint32_t other = 0, place = 0;
    auto conflict = shared.finishCopy(copy.to[i], copy.bytes, w.number, other, place);
    if (conflict != SharedMemory::Conflict::None)
      reportShared(w, *copy.instruction, i, conflict, other, place, Access::Write);
  }
}

/// All but the newest groups; from[0] holds how many of those.
void waitCopies(Warp &w, const Instruction &in) {
  uint32_t newest = in.flag ? 0 : w.lanes<uint32_t>(in.from[0])[size_t(firstLane(w.mask))];
  if (in.flag && !w.open.empty())
    commitCopies(w, in);
  while (w.copies.size() > newest) {
    for (const PendingCopy &copy : w.copies.front())
      finish(w, copy);
    w.copies.erase(w.copies.begin());
  }
}

// --- ldmatrix --------------------------------------------------------------

/// Matrices of 8 rows of 16 bytes; lane 8 i + r has the address of row r of matrix i. flag:
/// transposed.
void loadMatrix(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  uint32_t all = w.mask;
  w.mask = in.count == 4 ? all : (1u << 8 * in.count) - 1;
  spread(w, at);
  bool inside = accessShared(w, in, at, 16, Access::ReadMatrix, "ldmatrix");
  w.mask = all;
  if (!inside)
    return;
  const uint8_t *data = w.block->shared.data();
  for (unsigned matrix = 0; matrix < in.count; ++matrix) {
    // Lanes 4 r to 4 r + 3 of the result have row r.
    uint16_t rows[8][8], turned[8][8];
    for (unsigned r = 0; r < 8; ++r)
      std::memcpy(rows[r], data + at[8 * matrix + r], 16);
    if (in.flag)
      for (unsigned r = 0; r < 8; ++r)
        for (unsigned c = 0; c < 8; ++c)
          turned[r][c] = rows[c][r];
    std::memcpy(w.lanes<uint32_t>(in.to[matrix]), in.flag ? turned : rows, sizeof(rows));
  }
}

} // namespace

Handler findCopy(const PtxInstruction &p, Instruction &to) {
  const std::string &name = p.parts[0];
  if (name == "ldmatrix") {
    to.count = p.has("x4") ? 4 : p.has("x2") ? 2 : 1;
    to.flag = p.has("trans");
    return loadMatrix;
  }
  if (name == "cp" && p.has("commit_group"))
    return commitCopies;
  if (name == "cp" && (p.has("wait_group") || p.has("wait_all"))) {
    to.flag = p.has("wait_all");
    return waitCopies;
  }
  if (name == "cp" && p.has("shared") && p.operands.size() >= 3 &&
      p.operands[2].kind == PtxOperand::Number) {
    to.bytes = uint8_t(p.operands[2].bits);
    to.flag = p.operands.size() > 3;
    return copyAsync;
  }
  return nullptr;
}

} // namespace danaus::vgpu
