// kernel.contract on tensor cores: 16-bit operands, float32 sums (mma.sync.m16n8k16), BM x BN results
// of a block of 256 threads, K in steps of 32 through shared memory, two steps in flight. Op, written
// by the compiler, says what is read and stored:
//
//   Batches, M, N, K, Group, BM, BN, WarpsM, WarpsN   as for Contract (contract.cuh)
//   Element            of the operands: bf16 or f16
//   LhsForm, RhsForm   how an operand comes: see Form
//   LhsStep, RhsStep   elements between runs of one step of K and the next; 0 where that differs
//   lhsPlace, rhsPlace the i-th element (Form::Elements) or run of 8 elements of a thread, those of a
//                      tile in the order of memory
//   lhs, lhsAt, rhs, rhsAt   an element, the address of a run
//   LhsRow, lhsBase, lhsRow  Form::Scratch: elements of a row, the first row, where one begins
//   Order, Run, store  how results leave registers: see Order; Run of them at a time, or 1
//   Columns, findColumns   what the epilogue reads and all rows share
//   ClearsOutside, clear     what lies past the last row of scratch
//
// A column of the tile is (w, g, j): result n = (w * PerGroup * 8 + j) * Group + g. A warp, w, has all
// groups, so that a thread has neighbours of all of them.
template <class Op> struct MmaContract {
  static constexpr int Threads = 256, BK = 32, BM = Op::BM, BN = Op::BN, Group = Op::Group;
  static constexpr int WarpsM = Op::WarpsM, WarpsN = Op::WarpsN;
  static constexpr int TM = BM / WarpsM / 16, TN = BN / WarpsN / 8; ///< mma tiles of a warp
  static constexpr int PerGroup = TN / Group;                       ///< those of one group's columns
  using Element = typename Op::Element;
  using Lhs = MmaTile<Op::LhsForm, Group, BM, false>;
  using Rhs = MmaTile<Op::RhsForm, 1, BN, Op::ResultOrder == Order::Pairs>;
  static constexpr bool IsInterleaved = Op::LhsForm == Form::Interleaved;
  static constexpr bool Copies = (Op::LhsForm != Form::Elements && Op::LhsForm != Form::Scratch) ||
                                 Op::RhsForm != Form::Elements;
  static constexpr int Stage = Lhs::Elements + Rhs::Elements; ///< elements; two of them
  static constexpr bool WholeM = Op::M % BM == 0, WholeN = Op::N % BN == 0, WholeK = Op::K % BK == 0;

  struct LhsSide {
    static constexpr bool Whole = WholeM;
    static constexpr int Size = Op::M;
    static constexpr long long Step = Op::LhsStep;
    static __device__ void unit(int i, int m0, int &g, int &row, int &m, int &k) {
      if constexpr (IsInterleaved) {
        int e = threadIdx.x + i * Threads, c = e % (BK * Group / 8) * 8;
        row = e / (BK * Group / 8);
        g = c % Group;
        k = c / Group;
      } else {
        Op::lhsPlace(threadIdx.x, i, g, row, k);
      }
      m = m0 + row;
    }
    static __device__ const Element *at(const Op &op, int batch, int g, int m, int k) {
      return op.lhsAt(batch, g, m, k);
    }
    static __device__ Element element(const Op &op, int batch, int g, int m, int k) {
      return op.lhs(batch, g, m, k);
    }
  };
  struct RhsSide {
    static constexpr bool Whole = WholeN;
    static constexpr int Size = Op::N;
    static constexpr long long Step = Op::RhsStep;
    static __device__ void unit(int i, int n0, int &g, int &column, int &n, int &k) {
      int group, j;
      Op::rhsPlace(threadIdx.x, i, group, j, k);
      constexpr int own = PerGroup * 8; // of a warp and a group
      column = (j / own * Group + group) * own + j % own;
      n = n0 + j * Group + group;
      g = 0;
    }
    static __device__ const Element *at(const Op &op, int batch, int, int n, int k) {
      return op.rhsAt(batch, n, k);
    }
    static __device__ Element element(const Op &op, int batch, int, int n, int k) {
      return op.rhs(batch, n, k);
    }
  };

  const Op &op;
  int batch, m0, n0;
  Element *shared;
  float sums[TM][TN][4];

  static __device__ int lane() { return threadIdx.x % 32; }
  static __device__ int warpM() { return threadIdx.x / 32 / WarpsN; }
  static __device__ int warpN() { return threadIdx.x / 32 % WarpsN; }

  /// Where this lane's row of 16 rows of lhs, 16 columns from k = 0 on, begins in stage 0: one address
  /// a group, and where rows are turned one a tile.
  static constexpr int LhsTiles = Lhs::Transposed ? TM : 1;
  __device__ void findLhs(unsigned (&at)[Group][LhsTiles]) const {
    int l = lane(), row = warpM() * TM * 16;
#pragma unroll
    for (int g = 0; g < Group; ++g)
#pragma unroll
      for (int i = 0; i < LhsTiles; ++i)
        if constexpr (IsInterleaved)
          at[g][i] = 0; // see loadGroups
        else if constexpr (Op::LhsForm == Form::Scratch)
          at[g][i] = sharedAddress(op.lhsBase()) + (op.lhsRow(batch, g, row + l % 16) + l / 16 * 8) * 2;
        else if constexpr (Lhs::Transposed)
          at[g][i] = sharedAddress(shared) +
                     Lhs::place(g, row + i * 16 + l / 8 % 2 * 8, l / 16 * 8 + l % 8) * 2;
        else
          at[g][i] = sharedAddress(shared) + Lhs::place(g, row + l % 16, l / 16 * 8) * 2;
  }
  __device__ void loadLhs(unsigned (&to)[4], const unsigned (&at)[LhsTiles], unsigned stage, int i, int k0,
                          int k) const {
    if constexpr (Op::LhsForm == Form::Scratch)
      loadMatrices<false>(to, at[0] + (i * 16 * Op::LhsRow + k0 + k) * 2);
    else if constexpr (Lhs::Transposed)
      loadMatrices<true>(to, at[i] + stage + k * BM * 2);
    else // a row is 64 bytes, of which k turns the upper half
      loadMatrices<false>(to, ((at[0] + stage) ^ (k * 2)) + i * 16 * BK * 2);
  }

  /// The fragments of all groups, from words that hold an element of each.
  __device__ void loadGroups(unsigned (&to)[Group][4], unsigned stage, int i, int k) const {
    int row = (warpM() * TM + i) * 16 + lane() / 4;
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const Element *from =
          shared + stage / 2 + Lhs::place(0, row + r % 2 * 8, k + r / 2 * 8 + lane() % 4 * 2);
      unsigned words[Group]; // of k, then of k + 1
      if constexpr (Group == 2) {
        uint2 pair = *reinterpret_cast<const uint2 *>(from);
        words[0] = pair.x, words[1] = pair.y;
      } else {
#pragma unroll
        for (int w = 0; w < Group; w += 4) {
          uint4 quad = *reinterpret_cast<const uint4 *>(from + 2 * w);
          words[w] = quad.x, words[w + 1] = quad.y, words[w + 2] = quad.z, words[w + 3] = quad.w;
        }
      }
#pragma unroll
      for (int g = 0; g < Group; ++g)
        to[g][r] = __byte_perm(words[g / 2], words[Group / 2 + g / 2], g % 2 ? 0x7632 : 0x5410);
    }
  }

  /// The same of 16 columns of rhs.
  static constexpr int RhsTiles = Rhs::Transposed ? TN / 2 : 1;
  __device__ void findRhs(unsigned (&at)[RhsTiles]) const {
    int l = lane(), column = warpN() * TN * 8;
    unsigned base = sharedAddress(shared + Lhs::Elements);
#pragma unroll
    for (int j = 0; j < RhsTiles; ++j)
      if constexpr (Rhs::Transposed)
        at[j] = base + Rhs::place(0, column + j * 16 + l / 16 * 8, l / 8 % 2 * 8 + l % 8) * 2;
      else if constexpr (Op::ResultOrder == Order::Pairs)
        at[j] = base + Rhs::place(0, column + l % 8 / 2 * 4 + l % 2 + l / 16 * 2, l / 8 % 2 * 8) * 2;
      else
        at[j] = base + Rhs::place(0, column + l / 16 * 8 + l % 8, l / 8 % 2 * 8) * 2;
  }
  __device__ void loadRhs(unsigned (&to)[4], const unsigned (&at)[RhsTiles], unsigned stage, int j,
                          int k) const {
    if constexpr (Rhs::Transposed)
      loadMatrices<true>(to, at[j] + stage + k * BN * 2);
    else
      loadMatrices<false>(to, ((at[0] + stage) ^ (k * 2)) + j * 16 * BK * 2);
  }

  __device__ void multiply(const unsigned (&lhsAt)[Group][LhsTiles], const unsigned (&rhsAt)[RhsTiles],
                           unsigned stage, int k0) {
#pragma unroll
    for (int k = 0; k < BK; k += 16) {
      if (!WholeK && k0 + k >= Op::K)
        break;
      unsigned rhs[TN / 2][4];
#pragma unroll
      for (int j = 0; j < TN / 2; ++j)
        loadRhs(rhs[j], rhsAt, stage, j, k);
      if constexpr (IsInterleaved) {
#pragma unroll
        for (int i = 0; i < TM; ++i) {
          unsigned lhs[Group][4];
          loadGroups(lhs, stage, i, k);
#pragma unroll
          for (int j = 0; j < TN; ++j)
            multiplyAdd(sums[i][j], lhs[j / PerGroup], rhs[j / 2][j % 2 * 2], rhs[j / 2][j % 2 * 2 + 1],
                        Element());
        }
        continue;
      }
#pragma unroll
      for (int g = 0; g < Group; ++g)
#pragma unroll
        for (int i = 0; i < TM; ++i) {
          unsigned lhs[4];
          loadLhs(lhs, lhsAt[g], stage, i, k0, k);
#pragma unroll
          for (int j = g * PerGroup; j < (g + 1) * PerGroup; ++j)
            multiplyAdd(sums[i][j], lhs, rhs[j / 2][j % 2 * 2], rhs[j / 2][j % 2 * 2 + 1], Element());
        }
    }
  }

  __device__ void sum() {
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
      for (int j = 0; j < TN; ++j)
        sums[i][j][0] = sums[i][j][1] = sums[i][j][2] = sums[i][j][3] = 0;
    MmaOperand<Op, Lhs, Op::LhsForm, LhsSide> lhs;
    MmaOperand<Op, Rhs, Op::RhsForm, RhsSide> rhs;
    lhs.begin(op, batch, m0, sharedAddress(shared));
    rhs.begin(op, batch, n0, sharedAddress(shared + Lhs::Elements));
    unsigned lhsAt[Group][LhsTiles], rhsAt[RhsTiles];
    findLhs(lhsAt);
    findRhs(rhsAt);
    auto fetch = [&](unsigned stage, int k0) {
      lhs.fetch(op, batch, m0, stage * (Stage * 2), k0);
      rhs.fetch(op, batch, n0, stage * (Stage * 2), k0);
      commitCopies();
    };
    auto keep = [&](unsigned stage) {
      lhs.keep(m0, shared, stage * (Stage * 2));
      rhs.keep(n0, shared + Lhs::Elements, stage * (Stage * 2));
    };
    forSteps<Op::K, Copies>(fetch, keep, [&](unsigned stage, int k0) {
      multiply(lhsAt, rhsAt, stage * (Stage * 2), k0);
    });
  }

  /// Results n, n + Step, ... of row m.
  template <int Count, int Step>
  __device__ void storeRun(int m, int n, const typename Op::Columns &columns,
                           const float (&run)[Count]) const {
    if (!WholeM && m >= Op::M) {
      if constexpr (Op::ClearsOutside)
        for (int e = 0; e < Count; ++e)
          if (WholeN || n + e * Step < Op::N)
            op.clear(batch, m, n + e * Step);
      return;
    }
    if constexpr (Op::Run == Count) {
      if (WholeN || n < Op::N)
        op.store(batch, m, n, columns, run);
    } else {
#pragma unroll
      for (int e = 0; e < Count; ++e)
        if (WholeN || n + e * Step < Op::N)
          op.store(batch, m, n + e * Step, run[e]);
    }
  }

  static constexpr Order Way = Op::ResultOrder;
  static constexpr bool IsGroups = Way == Order::Groups || Way == Order::GroupsExchanged;
  /// A run of results has Count of them, one every Step, from Tiles tiles; Runs of them come together.
  static constexpr int Tiles = IsGroups ? Group : Way == Order::Plain ? 1 : 2;
  static constexpr int Runs = Way == Order::GroupsExchanged ? 2 : 1, Count = 2 * Tiles / Runs;
  static constexpr int Step = IsGroups ? 1 : Group;

  /// The first column of the r-th run of those that begin with tile `t` of group g.
  __device__ int firstOfRun(int g, int t, int r) const {
    int q = lane() % 4, j = (warpN() * PerGroup + t) * 8;
    if constexpr (Way == Order::Groups)
      return n0 + (j + q * 2) * Group;
    else if constexpr (Way == Order::GroupsExchanged)
      return n0 + (j + q / 2 * 4 + r * 2 + q % 2) * Group;
    else if constexpr (Way == Order::Exchanged)
      return n0 + (j + q % 2 * 8 + q / 2 * 4) * Group + g;
    else
      return n0 + (j + q * Count) * Group + g;
  }

  __device__ void findRuns(float (&runs)[Runs][Count], int i, int half, int g, int t) const {
#pragma unroll
    for (int e = 0; e < 2 * Tiles; ++e)
      runs[e / Count][e % Count] = IsGroups ? sums[i][e % Group * PerGroup + t][2 * half + e / Group]
                                            : sums[i][g * PerGroup + t + e / 2][2 * half + e % 2];
    if constexpr (Way == Order::Exchanged || Way == Order::GroupsExchanged) {
      // The first half of what the odd thread has for the second half of the even one's.
      constexpr int half = Runs * Count / 2;
      bool isOdd = lane() % 2;
      float *all = runs[0];
#pragma unroll
      for (int e = 0; e < half; ++e) {
        float got = __shfl_xor_sync(0xffffffffu, isOdd ? all[e] : all[half + e], 1);
        all[e] = isOdd ? got : all[e];
        all[half + e] = isOdd ? all[half + e] : got;
      }
    }
  }

  __device__ void store() const {
#pragma unroll
    for (int g = 0; g < (IsGroups ? 1 : Group); ++g)
#pragma unroll
      for (int t = 0; t < PerGroup; t += IsGroups ? 1 : Tiles) {
        typename Op::Columns columns[Runs];
        for (int r = 0; r < Runs; ++r)
          op.findColumns(batch, firstOfRun(g, t, r), columns[r]);
#pragma unroll
        for (int i = 0; i < TM; ++i)
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float runs[Runs][Count];
            findRuns(runs, i, half, g, t);
            for (int r = 0; r < Runs; ++r)
              storeRun<Count, Step>(m0 + (warpM() * TM + i) * 16 + half * 8 + lane() / 4,
                                    firstOfRun(g, t, r), columns[r], runs[r]);
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
      MmaContract self{op, tile / ColumnTiles, m0, tile % ColumnTiles * BN, reinterpret_cast<Element *>(shared)};
      self.sum();
      self.store();
    }
  }

  /// Tile `tile` of Batches * RowTiles * ColumnTiles: neighbours share rows of lhs.
  static __device__ void run(const Op &op, int tile, float *shared) {
    int rows = tile / ColumnTiles;
    MmaContract self{op, rows / RowTiles, rows % RowTiles * BM, tile % ColumnTiles * BN,
                     reinterpret_cast<Element *>(shared)};
    self.sum();
    self.store();
  }
};
