// kernel.contract in float32: BM x BN results of a block of 256 threads, K in steps of 8 through
// shared memory, two steps in flight. Op, written by the compiler, says what is read and stored:
//
//   Batches, M, N, K   the iteration space; Group: neighbours n share an rhs column, not an lhs row
//   BM, BN, WarpsN     the tile: 8 warps, WarpsN of them side by side
//   lhsPlace, rhsPlace the i-th element of a thread, elements of a tile in the order of memory
//   lhs, rhs           elements of global memory; store: the epilogue
//
// A column of the tile is (g, j), g slowest: result n = j * Group + g. All columns of a thread share
// g, thus its rows of lhs.
/// Floats of a row of lhs: warps store 4 of M, and groups and K, of 8 together, in different banks.
__device__ constexpr int lhsRow(int rows, int group) {
  int step = group < 8 ? 4 * group : 4;
  while (rows % step != 0 || rows / step % 2 == 0)
    rows += 4;
  return rows;
}

template <class Op> struct Contract {
  static constexpr int Threads = 256, BK = 8, BM = Op::BM, BN = Op::BN, Group = Op::Group;
  static constexpr int WarpsN = Op::WarpsN, WarpsM = Threads / 32 / WarpsN;
  static constexpr int TM = BM / WarpsM, TN = BN / WarpsN / 32; ///< of a thread; a warp has TM rows
  static constexpr int LhsRow = lhsRow(BM, Group);        ///< lhs is [Group][BK][LhsRow]
  static constexpr int LhsGroup = BK * LhsRow + 4;        ///< groups start in other banks
  static constexpr int LhsStage = Group * LhsGroup, RhsStage = BK * (BN + 4), RhsRow = BN + 4;
  static constexpr int LhsLoads = (Group * BM * BK + Threads - 1) / Threads;
  static constexpr int RhsLoads = (BN * BK + Threads - 1) / Threads;
  static constexpr int Slice = TM < 4 ? TM : 4;           ///< rows of a warp stored at a time
  static constexpr int StageRow = BN + BN / 8;            ///< [WarpsM * Slice][StageRow], see staged()

  static constexpr int Floats = 2 * (LhsStage + RhsStage);
  static constexpr int StageFloats = WarpsM * Slice * StageRow;

  const Op &op;
  int batch, m0, n0;
  float *shared;
  float acc[TM][TN];

  /// Where a result waits for being stored: neighbours in c and in n lie in different banks.
  static __device__ int staged(int row, int place) { return row * StageRow + place + place / 32 * 4; }

  static __device__ int warpM() { return threadIdx.x / 32 / WarpsN; }
  /// The first of this thread's TN columns of the tile.
  static __device__ int firstColumn() { return threadIdx.x % (32 * WarpsN) * TN; }

  static constexpr bool WholeM = Op::M % BM == 0, WholeN = Op::N % BN == 0, WholeK = Op::K % BK == 0;

  /// Whether the thread's i-th element is in the tile.
  __device__ bool lhsElement(int i, int &g, int &m, int &k) const {
    Op::lhsPlace(threadIdx.x, i, g, m, k);
    return Group * BM * BK % Threads == 0 || threadIdx.x + i * Threads < Group * BM * BK;
  }
  __device__ bool rhsElement(int i, int &g, int &j, int &k) const {
    Op::rhsPlace(threadIdx.x, i, g, j, k);
    return BN * BK % Threads == 0 || threadIdx.x + i * Threads < BN * BK;
  }

  __device__ void load(int k0, float (&lhs)[LhsLoads], float (&rhs)[RhsLoads]) const {
#pragma unroll
    for (int i = 0; i < LhsLoads; ++i) {
      int g, m, k;
      bool inside = lhsElement(i, g, m, k) && (WholeM || m0 + m < Op::M) && (WholeK || k0 + k < Op::K);
      lhs[i] = inside ? op.lhs(batch, g, m0 + m, k0 + k) : 0;
    }
#pragma unroll
    for (int i = 0; i < RhsLoads; ++i) {
      int g, j, k;
      bool isElement = rhsElement(i, g, j, k);
      int n = n0 + j * Group + g;
      bool inside = isElement && (WholeN || n < Op::N) && (WholeK || k0 + k < Op::K);
      rhs[i] = inside ? op.rhs(batch, n, k0 + k) : 0;
    }
  }

  __device__ void keep(int stage, const float (&lhs)[LhsLoads], const float (&rhs)[RhsLoads]) const {
    float *lhsShared = shared + stage * (LhsStage + RhsStage), *rhsShared = lhsShared + LhsStage;
    int g, m, j, k;
#pragma unroll
    for (int i = 0; i < LhsLoads; ++i)
      if (lhsElement(i, g, m, k))
        lhsShared[g * LhsGroup + k * LhsRow + m] = lhs[i];
#pragma unroll
    for (int i = 0; i < RhsLoads; ++i)
      if (rhsElement(i, g, j, k))
        rhsShared[k * RhsRow + g * (BN / Group) + j] = rhs[i];
  }

  __device__ void multiply(int stage) {
    const float *stageShared = shared + stage * (LhsStage + RhsStage);
    const float *lhsShared = stageShared + firstColumn() / (BN / Group) * LhsGroup + warpM() * TM;
    const float *rhsShared = stageShared + LhsStage + firstColumn();
#pragma unroll
    for (int k = 0; k < BK; ++k) {
      float lhs[TM], rhs[TN];
#pragma unroll
      for (int i = 0; i < TM; ++i)
        lhs[i] = lhsShared[k * LhsRow + i];
#pragma unroll
      for (int j = 0; j < TN; ++j)
        rhs[j] = rhsShared[k * RhsRow + j];
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j)
          acc[i][j] += lhs[i] * rhs[j];
    }
  }

  __device__ void sum() {
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
      for (int j = 0; j < TN; ++j)
        acc[i][j] = 0;
    float lhs[LhsLoads], rhs[RhsLoads];
    load(0, lhs, rhs);
    keep(0, lhs, rhs);
    __syncthreads();
    int stage = 0;
#pragma unroll 1
    for (int k0 = BK; k0 < Op::K; k0 += BK) {
      load(k0, lhs, rhs);
      multiply(stage);
      stage = 1 - stage;
      keep(stage, lhs, rhs);
      __syncthreads();
    }
    multiply(stage);
  }

  /// Through shared memory, so that neighbouring threads store neighbouring results.
  __device__ void store() const {
#pragma unroll
    for (int first = 0; first < TM; first += Slice) {
      __syncthreads();
#pragma unroll
      for (int i = 0; i < Slice; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j)
          shared[staged(warpM() * Slice + i, Op::resultColumn(firstColumn() + j))] = acc[first + i][j];
      __syncthreads();
#pragma unroll 4
      for (int e = threadIdx.x; e < WarpsM * Slice * BN; e += Threads) {
        int row = e / BN, place = e % BN;
        int m = m0 + row / Slice * TM + first + row % Slice, n = n0 + Op::resultN(place);
        if ((WholeM || m < Op::M) && (WholeN || n < Op::N))
          op.store(batch, m, n, shared[staged(row, place)]);
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
      Contract self{op, tile / ColumnTiles, m0, tile % ColumnTiles * BN, shared};
      self.sum();
      self.store();
    }
  }

  /// Tile `tile` of Batches * RowTiles * ColumnTiles: neighbours share rows of lhs.
  static __device__ void run(const Op &op, int tile, float *shared) {
    int rows = tile / ColumnTiles;
    Contract self{op, rows / RowTiles, rows % RowTiles * BM, tile % ColumnTiles * BN, shared};
    self.sum();
    self.store();
  }
};
