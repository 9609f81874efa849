// kernel.contract on tensor cores where batches lie side by side in both operands, as the groups of
// Monarch's second factor in the gradient of its weight: a block computes BM x BN results of each of
// Interleave batches, whose operands come together. Op as for MmaContract, results in Order::Plain:
//
//   Interleave        batches side by side: batch * Interleave + g is (batch, g)
//   lhsAt, rhsAt      the address of g = 0; g is a step of 1, m and n are steps of Interleave
template <class Op> struct MmaInterleaved {
  static constexpr int Threads = 256, BK = 32, BM = Op::BM, BN = Op::BN, G = Op::Interleave;
  static constexpr int WarpsM = Op::WarpsM, WarpsN = Op::WarpsN;
  static constexpr int TM = BM / WarpsM / 16, TN = BN / WarpsN / 8; ///< mma tiles of a warp and a batch
  static constexpr bool WholeM = Op::M % BM == 0, WholeN = Op::N % BN == 0, WholeK = Op::K % BK == 0;
  using Element = typename Op::Element;

  /// Tiles are [k][row * G + g]; rows two apart, which a warp reads together, lie in different banks.
  template <int Rows, bool Whole, int Size, long long Step> struct Operand {
    static constexpr int Pitch = Rows * G + 8, Runs = Rows * G / 8, Units = BK * Runs;
    static constexpr int Loads = (Units + Threads - 1) / Threads;
    unsigned to[Loads];
    const Element *from[Loads];
#if __CUDA_ARCH__ < 800
    uint4 held[Loads];
#endif

    static __device__ int row(int i) { return (threadIdx.x + i * Threads) % Runs * 8 / G; }
    static __device__ int k(int i) { return (threadIdx.x + i * Threads) / Runs; }
    static __device__ bool isUnit(int i) { return Units % Threads == 0 || threadIdx.x + i * Threads < Units; }

    template <class At> __device__ void begin(unsigned shared, int origin, At at) {
#pragma unroll
      for (int i = 0; i < Loads; ++i) {
        int run = (threadIdx.x + i * Threads) % Runs;
        to[i] = shared + (k(i) * Pitch + run * 8) * 2;
        bool inside = isUnit(i) && (Whole || origin + row(i) < Size) && (WholeK || k(i) < Op::K);
        from[i] = at(inside ? origin + row(i) : 0, inside ? k(i) : 0) + run * 8 % G;
      }
    }
    __device__ void fetch(unsigned stage, int origin, int k0) {
#pragma unroll
      for (int i = 0; i < Loads; ++i) {
        if (!isUnit(i))
          continue;
        bool inside = (Whole || origin + row(i) < Size) && (WholeK || k0 + k(i) < Op::K);
#if __CUDA_ARCH__ >= 800
        copyAsync(to[i] + stage, from[i], inside);
#else
        held[i] = inside ? *reinterpret_cast<const uint4 *>(from[i]) : make_uint4(0, 0, 0, 0);
#endif
        from[i] += Step;
      }
    }
    __device__ void keep(unsigned stage) const {
#if __CUDA_ARCH__ < 800
#pragma unroll
      for (int i = 0; i < Loads; ++i)
        if (isUnit(i))
          asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to[i] + stage), "r"(held[i].x),
                       "r"(held[i].y), "r"(held[i].z), "r"(held[i].w)
                       : "memory");
#endif
    }
  };
  using Lhs = Operand<BM, WholeM, Op::M, Op::LhsStep>;
  using Rhs = Operand<BN, WholeN, Op::N, Op::RhsStep>;
  static constexpr int Stage = BK * (Lhs::Pitch + Rhs::Pitch); ///< elements; two of them

  const Op &op;
  int batch, m0, n0; ///< batch: of G together
  Element *shared;
  float sums[G][TM][TN][4];

  static __device__ int lane() { return threadIdx.x % 32; }
  static __device__ int warpM() { return threadIdx.x / 32 / WarpsN; }
  static __device__ int warpN() { return threadIdx.x / 32 % WarpsN; }

  /// All batches' elements at a place and the next k, as a register of a fragment of each.
  static __device__ void loadPairs(unsigned (&to)[G], const Element *at, int pitch) {
    unsigned low[G / 2], high[G / 2];
    loadWords(low, at);
    loadWords(high, at + pitch);
#pragma unroll
    for (int g = 0; g < G; ++g)
      to[g] = __byte_perm(low[g / 2], high[g / 2], g % 2 ? 0x7632 : 0x5410);
  }
  static __device__ void loadWords(unsigned (&to)[G / 2], const Element *from) {
    if constexpr (G == 2)
      to[0] = *reinterpret_cast<const unsigned *>(from);
    else if constexpr (G == 4) {
      uint2 words = *reinterpret_cast<const uint2 *>(from);
      to[0] = words.x, to[1] = words.y;
    } else {
#pragma unroll
      for (int i = 0; i < G / 8; ++i) {
        uint4 words = reinterpret_cast<const uint4 *>(from)[i];
        to[4 * i] = words.x, to[4 * i + 1] = words.y, to[4 * i + 2] = words.z, to[4 * i + 3] = words.w;
      }
    }
  }

  /// Fragments as in PTX ISA, "Matrix Fragments for mma.m16n8k16".
  __device__ void multiply(const Element *stage, int k0) {
    const Element *lhs = stage + (lane() % 4 * 2) * Lhs::Pitch + (warpM() * TM * 16 + lane() / 4) * G;
    const Element *rhs = stage + BK * Lhs::Pitch + (lane() % 4 * 2) * Rhs::Pitch +
                         (warpN() * TN * 8 + lane() / 4) * G;
#pragma unroll
    for (int k = 0; k < BK; k += 16) {
      if (!WholeK && k0 + k >= Op::K)
        break;
      unsigned b[TN][2][G];
#pragma unroll
      for (int j = 0; j < TN; ++j)
#pragma unroll
        for (int r = 0; r < 2; ++r)
          loadPairs(b[j][r], rhs + (k + r * 8) * Rhs::Pitch + j * 8 * G, Rhs::Pitch);
#pragma unroll
      for (int i = 0; i < TM; ++i) {
        unsigned a[4][G];
#pragma unroll
        for (int r = 0; r < 4; ++r)
          loadPairs(a[r], lhs + (k + r / 2 * 8) * Lhs::Pitch + (i * 16 + r % 2 * 8) * G, Lhs::Pitch);
#pragma unroll
        for (int g = 0; g < G; ++g) {
          const unsigned own[4] = {a[0][g], a[1][g], a[2][g], a[3][g]};
#pragma unroll
          for (int j = 0; j < TN; ++j)
            multiplyAdd(sums[g][i][j], own, b[j][0][g], b[j][1][g], Element());
        }
      }
    }
  }

  __device__ void sum() {
#pragma unroll
    for (int g = 0; g < G; ++g)
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j)
          sums[g][i][j][0] = sums[g][i][j][1] = sums[g][i][j][2] = sums[g][i][j][3] = 0;
    Lhs lhs;
    Rhs rhs;
    lhs.begin(sharedAddress(shared), m0, [&](int m, int k) { return op.lhsAt(batch * G, 0, m, k); });
    rhs.begin(sharedAddress(shared + BK * Lhs::Pitch), n0,
              [&](int n, int k) { return op.rhsAt(batch * G, n, k); });
    auto fetch = [&](unsigned stage, int k0) {
      lhs.fetch(stage * (Stage * 2), m0, k0);
      rhs.fetch(stage * (Stage * 2), n0, k0);
      commitCopies();
    };
    auto keep = [&](unsigned stage) {
      lhs.keep(stage * (Stage * 2));
      rhs.keep(stage * (Stage * 2));
    };
    forSteps<Op::K, true>(fetch, keep,
                          [&](unsigned stage, int k0) { multiply(shared + stage * Stage, k0); });
  }

  __device__ void store() const {
    typename Op::Columns columns;
#pragma unroll
    for (int g = 0; g < G; ++g)
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half)
#pragma unroll
          for (int j = 0; j < TN; ++j) {
            int m = m0 + (warpM() * TM + i) * 16 + half * 8 + lane() / 4;
            int n = n0 + (warpN() * TN + j) * 8 + lane() % 4 * 2;
            const float run[2] = {sums[g][i][j][2 * half], sums[g][i][j][2 * half + 1]};
            if (!WholeM && m >= Op::M)
              continue;
            if constexpr (Op::Run == 2) {
              if (WholeN || n < Op::N)
                op.store(batch * G + g, m, n, columns, run);
            } else {
              for (int e = 0; e < 2; ++e)
                if (WholeN || n + e < Op::N)
                  op.store(batch * G + g, m, n + e, run[e]);
            }
          }
  }

  static constexpr int RowTiles = (Op::M + BM - 1) / BM, ColumnTiles = (Op::N + BN - 1) / BN;

  /// Tile `tile` of Batches / G * RowTiles * ColumnTiles: neighbours share rows of lhs.
  static __device__ void run(const Op &op, int tile, float *shared) {
    int rows = tile / ColumnTiles;
    MmaInterleaved self{op, rows / RowTiles, rows % RowTiles * BM, tile % ColumnTiles * BN,
                        reinterpret_cast<Element *>(shared)};
    self.sum();
    self.store();
  }
};
