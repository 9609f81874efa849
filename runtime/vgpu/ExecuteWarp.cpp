// Handlers of control flow and of what a warp's lanes do together: branches, exits, barriers,
// shuffles, votes, matrix products.
#include "runtime/vgpu/Warp.h"

namespace danaus::vgpu {

namespace {

void branch(Warp &w, const Instruction &in) {
  // w.mask: the lanes of the group that take it.
  uint32_t stay = w.current.mask & ~w.mask;
  w.moved = true;
  if (stay == 0) {
    w.current.pc = in.target;
    return;
  }
  ++w.block->countersOf(in).divergentBranches;
  ++w.block->totals->divergentBranches;
  w.others.push_back({in.target, w.mask});
  w.current.mask = stay;
  ++w.current.pc;
}

void leave(Warp &w, const Instruction &) {
  w.alive &= ~w.mask;
  w.current.mask &= ~w.mask;
  w.moved = w.current.mask == 0;
}

void trap(Warp &w, const Instruction &in) {
  w.block->fail(FindingKind::Trap, w, in, firstLane(w.mask), "the kernel called trap");
}

void nothing(Warp &, const Instruction &) {}

/// bar.sync: the scheduler (Launch.cpp) lets the warp go on when all have come.
void barrier(Warp &w, const Instruction &in) {
  if (w.current.mask != w.alive) {
    w.block->fail(
        FindingKind::DivergentBarrier, w, in, firstLane(w.mask),
        format("only lanes 0x%08x of 0x%08x reach this barrier", w.current.mask, w.alive));
    return;
  }
  w.state = WarpState::AtBarrier;
  w.barrier = &in;
  w.barrierNumber = w.lanes<uint32_t>(in.from[0])[firstLane(w.mask)];
}

// --- shuffles and votes
// -----------------------------------------------------------------------------

enum class Shuffle { Up, Down, Butterfly, Index };

/// The third source packs a segment mask (bits 8-12) and a bound (bits 0-4); PTX ISA, shfl.sync.
template <Shuffle how> void shuffle(Warp &w, const Instruction &in) {
  const auto *a = w.lanes<uint32_t>(in.from[0]), *b = w.lanes<uint32_t>(in.from[1]),
             *c = w.lanes<uint32_t>(in.from[2]);
  uint32_t result[Lanes], predicates = 0;
  for (unsigned lane = 0; lane < Lanes; ++lane) {
    int own = int(lane), by = int(b[lane] & 0x1F), bound = int(c[lane] & 0x1F),
        segment = int(c[lane] >> 8 & 0x1F);
    int most = (own & segment) | (bound & ~segment), least = own & segment, from = own;
    bool inside = true;
    if (how == Shuffle::Up)
      inside = (from = own - by) >= most;
    else if (how == Shuffle::Down)
      inside = (from = own + by) <= most;
    else if (how == Shuffle::Butterfly)
      inside = (from = own ^ by) <= most;
    else
      inside = (from = least | (by & ~segment)) <= most;
    if (!inside)
      from = own;
    if (w.mask >> lane & 1 && !(w.mask >> from & 1))
      w.block->report(FindingKind::Uninitialised, w, in, own,
                      format("shfl takes the value of lane %d, which does not take part", from));
    result[lane] = a[from];
    predicates |= uint32_t(inside) << lane;
  }
  auto *to = w.lanes<uint32_t>(in.to[0]);
  forLanes(w, [&](unsigned i) { to[i] = result[i]; });
  if (in.to[1] != NoRegister)
    w.predicate(in.to[1]) = (w.predicate(in.to[1]) & ~w.mask) | (predicates & w.mask);
}

uint32_t votes(Warp &w, const Instruction &in) {
  uint32_t bits = w.predicate(in.from[0]);
  return (in.negated & 1 ? ~bits : bits) & w.mask;
}
void voteBallot(Warp &w, const Instruction &in) {
  uint32_t bits = votes(w, in);
  auto *to = w.lanes<uint32_t>(in.to[0]);
  forLanes(w, [&](unsigned i) { to[i] = bits; });
}
template <bool all> void vote(Warp &w, const Instruction &in) {
  uint32_t bits = votes(w, in);
  bool is = all ? bits == w.mask : bits != 0;
  uint32_t &to = w.predicate(in.to[0]);
  to = (to & ~w.mask) | (is ? w.mask : 0);
}
void activeMask(Warp &w, const Instruction &in) {
  auto *to = w.lanes<uint32_t>(in.to[0]);
  uint32_t mask = w.current.mask;
  forLanes(w, [&](unsigned i) { to[i] = mask; });
}

template <typename T, auto F> void reduceLanes(Warp &w, const Instruction &in) { // redux.sync
  const auto *a = w.lanes<uint32_t>(in.from[0]);
  T value = T(a[firstLane(w.mask)]);
  for (uint32_t left = w.mask & (w.mask - 1); left; left &= left - 1)
    value = F(value, T(a[firstLane(left)]));
  auto *to = w.lanes<uint32_t>(in.to[0]);
  forLanes(w, [&](unsigned i) { to[i] = uint32_t(value); });
}

Handler reduceOf(const PtxInstruction &p) {
  bool isSigned = p.type() == "s32";
  if (p.has("add"))
    return reduceLanes<uint32_t, [](uint32_t a, uint32_t b) { return a + b; }>;
  if (p.has("min"))
    return isSigned ? reduceLanes<int32_t, [](int32_t a, int32_t b) { return std::min(a, b); }>
                    : reduceLanes<uint32_t, [](uint32_t a, uint32_t b) { return std::min(a, b); }>;
  if (p.has("max"))
    return isSigned ? reduceLanes<int32_t, [](int32_t a, int32_t b) { return std::max(a, b); }>
                    : reduceLanes<uint32_t, [](uint32_t a, uint32_t b) { return std::max(a, b); }>;
  return nullptr;
}

// --- matrix products
// --------------------------------------------------------------------------------

inline float fromBf16(uint32_t bits) { return std::bit_cast<float>(bits << 16); }
inline float fromHalf(uint32_t bits) { return float(std::bit_cast<_Float16>(uint16_t(bits))); }

/// d (16 x 8) = a (16 x K) * b (K x 8) + c, fragments as in PTX ISA, "Matrix Fragments for
/// mma.m16n8k16" (and .m16n8k8): sums in float32, in the order of k. A real GPU's order and
/// rounding differ. Lanes 4 g to 4 g + 3 of a register hold 8 neighbours of row g of a, or of
/// column g of b; those of two registers of c and d, in turn, 8 neighbours of row g.
template <int K, float (*value)(uint32_t)> void matrixProduct16(Warp &w, const Instruction &in) {
  constexpr int aRegisters = K / 4, bRegisters = K / 8;
  float a[16][K], b[K][8], d[16][8];
  uint16_t halves[8][8];
  for (int r = 0; r < aRegisters; ++r) {
    std::memcpy(halves, w.lanes<uint32_t>(in.from[r]), sizeof(halves));
    for (int row = 0; row < 8; ++row)
      for (int k = 0; k < 8; ++k)
        a[row + r % 2 * 8][k + r / 2 * 8] = value(halves[row][k]);
  }
  for (int r = 0; r < bRegisters; ++r) {
    std::memcpy(halves, w.lanes<uint32_t>(in.from[aRegisters + r]), sizeof(halves));
    for (int k = 0; k < 8; ++k)
      for (int column = 0; column < 8; ++column)
        b[k + r * 8][column] = value(halves[column][k]);
  }
  for (int r = 0; r < 4; ++r) {
    const auto *c = w.lanes<uint32_t>(in.from[aRegisters + bRegisters + r]);
    for (int lane = 0; lane < int(Lanes); ++lane)
      d[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2] = std::bit_cast<float>(c[lane]);
  }
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < K; ++k)
      for (int column = 0; column < 8; ++column)
        d[row][column] += a[row][k] * b[k][column];
  for (int r = 0; r < 4; ++r) {
    auto *to = w.lanes<uint32_t>(in.to[r]);
    for (int lane = 0; lane < int(Lanes); ++lane)
      to[lane] = std::bit_cast<uint32_t>(d[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2]);
  }
  w.block->totals->tensorFlops += 2 * 16 * 8 * K;
}

Handler productOf(const PtxInstruction &p) {
  // mma.sync.aligned.m16n8kK.row.col.f32.T.T.f32
  if (p.parts.size() != 10 || p.parts[6] != "f32" || p.parts[9] != "f32" ||
      p.parts[7] != p.parts[8])
    return nullptr;
  const std::string &shape = p.parts[3], &type = p.parts[7];
  if (shape == "m16n8k16")
    return type == "bf16"  ? matrixProduct16<16, fromBf16>
           : type == "f16" ? matrixProduct16<16, fromHalf>
                           : nullptr;
  if (shape == "m16n8k8")
    return type == "bf16"  ? matrixProduct16<8, fromBf16>
           : type == "f16" ? matrixProduct16<8, fromHalf>
                           : nullptr;
  return nullptr;
}

} // namespace

Handler findWarpLevel(const PtxInstruction &p, Instruction &to) {
  const std::string &name = p.parts[0];
  if (name == "bra")
    return branch;
  if (name == "ret" || name == "exit")
    return leave;
  if (name == "trap")
    return trap;
  if (name == "membar" || name == "fence" || name == "nanosleep" || name == "prefetch")
    return nothing;
  if ((name == "bar" || name == "barrier") && p.has("warp"))
    return nothing; // lanes of a group are together; groups meet at the lowest pc
  if ((name == "bar" || name == "barrier") && p.has("sync") && p.operands.size() == 1)
    return barrier;
  if (name == "shfl")
    return p.has("up")     ? shuffle<Shuffle::Up>
           : p.has("down") ? shuffle<Shuffle::Down>
           : p.has("bfly") ? shuffle<Shuffle::Butterfly>
           : p.has("idx")  ? shuffle<Shuffle::Index>
                           : nullptr;
  if (name == "vote")
    return p.has("ballot") ? voteBallot
           : p.has("all")  ? vote<true>
           : p.has("any")  ? vote<false>
                           : nullptr;
  if (name == "activemask")
    return activeMask;
  if (name == "redux")
    return reduceOf(p);
  if (name == "mma")
    return productOf(p);
  return nullptr;
}

} // namespace danaus::vgpu
