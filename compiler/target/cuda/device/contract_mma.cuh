// kernel.contract on tensor cores: bfloat16 operands, float32 sums (mma.sync.m16n8k16), BM x BN
// results of a block of 256 threads, K in steps of 32 through shared memory, two steps in flight.
// Op, written by the compiler, says what is read and stored:
//
//   Batches, M, N, K, Group, BM, BN, WarpsM, WarpsN   as for Contract (contract.cuh)
//   LhsForm, RhsForm   how an operand comes: see Form
//   lhsPlace, rhsPlace the i-th element (Form::Elements) or run of 8 elements of a thread, those of a
//                      tile in the order of memory
//   lhs, lhsAt, lhsRow, rhs, rhsAt   an element, the address of a run, or of a row of scratch
//   store, clear       the epilogue; what lies past the last row of scratch
//
// A column of the tile is (g, j), g slowest: result n = j * Group + g.
enum class Form {
  Elements, ///< one by one, through registers; kept as [row][k]
  RunsOfK,  ///< 8 neighbours along K at a time by cp.async; kept as [row][k]
  RunsOfRows, ///< 8 neighbours along M or N at a time by cp.async; kept as [k][row]
  Scratch,  ///< lhs only: read in place from the chain's scratch, [row][k] for each group
};

__device__ inline unsigned sharedAddress(const void *pointer) {
  return unsigned(__cvta_generic_to_shared(pointer));
}

/// 16 bytes to shared memory, zeros unless `inside`; there after waitForCopies.
__device__ inline void copyAsync(void *to, const void *from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from),
               "r"(inside ? 16 : 0)
               : "memory");
}
__device__ inline void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// For all but the newest `Newest` groups.
template <int Newest> __device__ void waitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
}

/// Four 8 x 8 matrices; lane l gives the address of row l % 8 of matrix l / 8.
template <bool Transposed> __device__ void loadMatrices(unsigned (&to)[4], const bf16 *row) {
  if constexpr (Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(sharedAddress(row))
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(sharedAddress(row))
                 : "memory");
}

/// sums += lhs (16 x 16) * rhs (16 x 8).
__device__ inline void multiplyAdd(float (&sums)[4], const unsigned (&lhs)[4], unsigned rhs0,
                                   unsigned rhs1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(lhs[0]), "r"(lhs[1]), "r"(lhs[2]), "r"(lhs[3]), "r"(rhs0), "r"(rhs1));
}

/// One operand's tile in shared memory, Rows x 32 elements of each of Groups groups. Runs of 8 elements
/// are the units; their places are turned, so that eight that are read together lie in all banks.
template <Form Kind, int Groups, int Rows> struct MmaTile {
  static constexpr int BK = 32, Elements = Kind == Form::Scratch ? 0 : Groups * Rows * BK;
  static constexpr bool Transposed = Kind == Form::RunsOfRows;
  static constexpr int Units = Elements / (Kind == Form::Elements ? 1 : 8);
  static constexpr int Loads = (Units + 255) / 256;

  static __device__ int place(int g, int row, int k) {
    if constexpr (Transposed) {
      int turn = Rows % 64 == 0 ? k % 8 : k / 2 % 4;
      return (g * BK + k) * Rows + (row / 8 ^ turn) * 8 + row % 8;
    }
    return (g * Rows + row) * BK + (k / 8 ^ row / 2 % 4) * 8 + k % 8;
  }
};

template <class Op> struct MmaContract {
  static constexpr int Threads = 256, BK = 32, BM = Op::BM, BN = Op::BN, Group = Op::Group;
  static constexpr int WarpsM = Op::WarpsM, WarpsN = Op::WarpsN;
  static constexpr int TM = BM / WarpsM / 16, TN = BN / WarpsN / 8; ///< mma tiles of a warp
  static constexpr int GroupTiles = BN / Group / 8;                 ///< mma tiles of a group's columns
  static constexpr int WarpGroups = TN > GroupTiles ? TN / GroupTiles : 1, PerGroup = TN / WarpGroups;
  using Lhs = MmaTile<Op::LhsForm, Group, BM>;
  using Rhs = MmaTile<Op::RhsForm, 1, BN>;
  static constexpr bool Copies = Op::LhsForm == Form::RunsOfK || Op::LhsForm == Form::RunsOfRows ||
                                 Op::RhsForm != Form::Elements;
  static constexpr int Stage = Lhs::Elements + Rhs::Elements; ///< elements; two of them
  /// Floats of a row of results that wait for being stored: a warp's 8 rows lie in different banks.
  static constexpr int StoreRow = Group > 1 ? BN + BN / 8 + 1 : (BN + BN / 8 + 23) / 32 * 32 + 8;

  static constexpr bool WholeM = Op::M % BM == 0, WholeN = Op::N % BN == 0, WholeK = Op::K % BK == 0;

  const Op &op;
  int batch, m0, n0;
  bf16 *shared;
  float sums[TM][TN][4];

  static __device__ int lane() { return threadIdx.x % 32; }
  static __device__ int warpM() { return threadIdx.x / 32 / WarpsN; }
  static __device__ int warpN() { return threadIdx.x / 32 % WarpsN; }
  static __device__ int staged(int row, int place) { return row * StoreRow + place + place / 32 * 4; }

  __device__ bool lhsUnit(int i, int &g, int &m, int &k) const {
    Op::lhsPlace(threadIdx.x, i, g, m, k);
    return Lhs::Units % Threads == 0 || threadIdx.x + i * Threads < Lhs::Units;
  }
  __device__ bool rhsUnit(int i, int &c, int &n, int &k) const {
    int g, j;
    Op::rhsPlace(threadIdx.x, i, g, j, k);
    c = g * (BN / Group) + j;
    n = n0 + j * Group + g;
    return Rhs::Units % Threads == 0 || threadIdx.x + i * Threads < Rhs::Units;
  }

  /// Starts copying a step; what comes through registers waits there.
  __device__ void fetch(int stage, int k0, bf16 (&lhs)[Lhs::Loads + 1], bf16 (&rhs)[Rhs::Loads + 1]) const {
    bf16 *lhsShared = shared + stage * Stage, *rhsShared = lhsShared + Lhs::Elements;
    int g, m, n, c, k;
#pragma unroll
    for (int i = 0; i < Lhs::Loads; ++i)
      if (lhsUnit(i, g, m, k)) {
        bool inside = (WholeM || m0 + m < Op::M) && (WholeK || k0 + k < Op::K);
        if constexpr (Op::LhsForm == Form::Elements)
          lhs[i] = inside ? op.lhs(batch, g, m0 + m, k0 + k) : bf16(0);
        else if constexpr (Op::LhsForm != Form::Scratch)
          copyAsync(lhsShared + Lhs::place(g, m, k),
                    op.lhsAt(batch, g, inside ? m0 + m : 0, inside ? k0 + k : 0), inside);
      }
#pragma unroll
    for (int i = 0; i < Rhs::Loads; ++i)
      if (rhsUnit(i, c, n, k)) {
        bool inside = (WholeN || n < Op::N) && (WholeK || k0 + k < Op::K);
        if constexpr (Op::RhsForm == Form::Elements)
          rhs[i] = inside ? op.rhs(batch, n, k0 + k) : bf16(0);
        else
          copyAsync(rhsShared + Rhs::place(0, c, k), op.rhsAt(batch, inside ? n : 0, inside ? k0 + k : 0),
                    inside);
      }
    commitCopies();
  }

  __device__ void keep(int stage, const bf16 (&lhs)[Lhs::Loads + 1], const bf16 (&rhs)[Rhs::Loads + 1]) const {
    bf16 *lhsShared = shared + stage * Stage, *rhsShared = lhsShared + Lhs::Elements;
    int g, m, n, c, k;
    if constexpr (Op::LhsForm == Form::Elements)
#pragma unroll
      for (int i = 0; i < Lhs::Loads; ++i)
        if (lhsUnit(i, g, m, k))
          lhsShared[Lhs::place(g, m, k)] = lhs[i];
    if constexpr (Op::RhsForm == Form::Elements)
#pragma unroll
      for (int i = 0; i < Rhs::Loads; ++i)
        if (rhsUnit(i, c, n, k))
          rhsShared[Rhs::place(0, c, k)] = rhs[i];
  }

  /// 16 rows of lhs from `row` on, 16 columns from k on (k0 + k of K).
  __device__ void loadLhs(unsigned (&to)[4], int stage, int g, int row, int k0, int k) const {
    int l = lane();
    if constexpr (Op::LhsForm == Form::Scratch) {
      loadMatrices<false>(to, op.lhsRow(batch, g, row + l % 16) + k0 + k + l / 16 * 8);
    } else {
      const bf16 *from = shared + stage * Stage;
      if constexpr (Lhs::Transposed)
        loadMatrices<true>(to, from + Lhs::place(g, row + l / 8 % 2 * 8, k + l / 16 * 8 + l % 8));
      else
        loadMatrices<false>(to, from + Lhs::place(g, row + l % 16, k + l / 16 * 8));
    }
  }

  /// 16 columns of rhs: to[0], to[1] for the first 8, to[2], to[3] for the others.
  __device__ void loadRhs(unsigned (&to)[4], int stage, int column, int k) const {
    int l = lane();
    const bf16 *from = shared + stage * Stage + Lhs::Elements;
    if constexpr (Rhs::Transposed)
      loadMatrices<true>(to, from + Rhs::place(0, column + l / 16 * 8, k + l / 8 % 2 * 8 + l % 8));
    else
      loadMatrices<false>(to, from + Rhs::place(0, column + l / 16 * 8 + l % 8, k + l / 8 % 2 * 8));
  }

  __device__ void multiply(int stage, int k0) {
    int row = warpM() * TM * 16, column = warpN() * TN * 8, firstGroup = column / (BN / Group);
#pragma unroll
    for (int k = 0; k < BK; k += 16) {
      if (!WholeK && k0 + k >= Op::K)
        break;
      unsigned rhs[TN / 2][4];
#pragma unroll
      for (int j = 0; j < TN / 2; ++j)
        loadRhs(rhs[j], stage, column + j * 16, k);
#pragma unroll
      for (int g = 0; g < WarpGroups; ++g)
#pragma unroll
        for (int i = 0; i < TM; ++i) {
          unsigned lhs[4];
          loadLhs(lhs, stage, firstGroup + g, row + i * 16, k0, k);
#pragma unroll
          for (int j = g * PerGroup; j < (g + 1) * PerGroup; ++j)
            multiplyAdd(sums[i][j], lhs, rhs[j / 2][j % 2 * 2], rhs[j / 2][j % 2 * 2 + 1]);
        }
    }
  }

  __device__ void sum() {
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
      for (int j = 0; j < TN; ++j)
        sums[i][j][0] = sums[i][j][1] = sums[i][j][2] = sums[i][j][3] = 0;
    bf16 lhs[Lhs::Loads + 1], rhs[Rhs::Loads + 1];
    fetch(0, 0, lhs, rhs);
    keep(0, lhs, rhs);
    int stage = 0;
#pragma unroll 1
    for (int k0 = 0; k0 < Op::K; k0 += BK) {
      bool hasNext = k0 + BK < Op::K;
      if (hasNext)
        fetch(1 - stage, k0 + BK, lhs, rhs);
      else
        commitCopies(); // an empty group: the wait below counts groups
      waitForCopies<1>();
      __syncthreads();
      multiply(stage, k0);
      if (hasNext)
        keep(1 - stage, lhs, rhs);
      if (Copies && hasNext) // the next ones begin before the barrier above
        __syncthreads();
      stage = 1 - stage;
    }
  }

  /// Through shared memory, so that neighbouring threads store neighbouring results.
  __device__ void store() const {
    float *waiting = reinterpret_cast<float *>(shared);
    int row = warpM() * 16 + lane() / 4, column = warpN() * TN * 8 + lane() % 4 * 2;
#pragma unroll
    for (int i = 0; i < TM; ++i) {
      __syncthreads();
#pragma unroll
      for (int j = 0; j < TN; ++j)
#pragma unroll
        for (int part = 0; part < 4; ++part)
          waiting[staged(row + part / 2 * 8, Op::resultColumn(column + j * 8 + part % 2))] = sums[i][j][part];
      __syncthreads();
#pragma unroll 4
      for (int e = threadIdx.x; e < WarpsM * 16 * BN; e += Threads) {
        int at = e / BN, place = e % BN;
        int m = m0 + (at / 16 * TM + i) * 16 + at % 16, n = n0 + Op::resultN(place);
        if ((WholeM || m < Op::M) && (WholeN || n < Op::N))
          op.store(batch, m, n, waiting[staged(at, place)]);
        if constexpr (Op::ClearsOutside)
          if (m >= Op::M && n < Op::N)
            op.clear(batch, m, n);
      }
    }
  }

  static constexpr int RowTiles = (Op::M + BM - 1) / BM, ColumnTiles = (Op::N + BN - 1) / BN;

  /// All columns of the BM rows from m0 on, in every batch: a member of a chain. What those before it
  /// kept in shared memory may be read.
  static __device__ void runRows(const Op &op, int m0, float *shared) {
#pragma unroll 1
    for (int tile = 0; tile < Op::Batches * ColumnTiles; ++tile) {
      __syncthreads();
      MmaContract self{op, tile / ColumnTiles, m0, tile % ColumnTiles * BN, reinterpret_cast<bf16 *>(shared)};
      self.sum();
      self.store();
    }
  }

  /// Tile `tile` of Batches * RowTiles * ColumnTiles: neighbours share rows of lhs.
  static __device__ void run(const Op &op, int tile, float *shared) {
    int rows = tile / ColumnTiles;
    MmaContract self{op, rows / RowTiles, rows % RowTiles * BM, tile % ColumnTiles * BN,
                     reinterpret_cast<bf16 *>(shared)};
    self.sum();
    self.store();
  }
};
