// What contractions on tensor cores are made of: copies to shared memory, matrices, products, tiles.
enum class Form {
  Elements, ///< one by one, through registers; kept as [row][k]
  RunsOfK,  ///< 8 neighbours along K at a time by cp.async; kept as [row][k]
  RunsOfRows, ///< 8 neighbours along M or N at a time by cp.async; kept as [k][row]
  Interleaved, ///< lhs only: 8 neighbours of all groups and along K, by cp.async; kept as [row][k][group]
  Scratch,  ///< lhs only: read in place from the chain's scratch, [row][k] for each group
};

/// How the results of a thread lie: mma gives it 2 neighbours of each of its tiles, with a step of
/// Group from one to the next.
enum class Order {
  Groups,    ///< those of all groups side by side: 2 * Group results
  GroupsExchanged, ///< Group results of each of two columns, after an exchange with the next thread
  Pairs,     ///< columns of two tiles take turns, so that 4 are neighbours
  Exchanged, ///< 4 neighbours, after an exchange with the next thread
  Plain,     ///< 2 neighbours
};

__device__ inline unsigned sharedAddress(const void *pointer) {
  return unsigned(__cvta_generic_to_shared(pointer));
}

#if __CUDA_ARCH__ >= 800
/// 16 bytes to shared memory, zeros unless `inside`; there after waitForCopies.
__device__ inline void copyAsync(unsigned to, const void *from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(inside ? 16 : 0)
               : "memory");
}
__device__ inline void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// For all but the newest `Newest` groups.
template <int Newest> __device__ void waitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
}
#else // copies come through registers, which wait for them
__device__ inline void commitCopies() {}
template <int Newest> __device__ void waitForCopies() {}
#endif

/// Four 8 x 8 matrices; lane l gives the address of row l % 8 of matrix l / 8.
template <bool Transposed> __device__ void loadMatrices(unsigned (&to)[4], unsigned row) {
  if constexpr (Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(row)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(row)
                 : "memory");
}

/// sums += lhs (16 x 16) * rhs (16 x 8); the last argument tells the type.
__device__ inline void multiplyAdd(float (&sums)[4], const unsigned (&lhs)[4], unsigned rhs0,
                                   unsigned rhs1, bf16) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(lhs[0]), "r"(lhs[1]), "r"(lhs[2]), "r"(lhs[3]), "r"(rhs0), "r"(rhs1));
}

__device__ inline void multiplyAdd(float (&sums)[4], const unsigned (&lhs)[4], unsigned rhs0,
                                   unsigned rhs1, f16) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(lhs[0]), "r"(lhs[1]), "r"(lhs[2]), "r"(lhs[3]), "r"(rhs0), "r"(rhs1));
#else
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(lhs[0]), "r"(lhs[1]), "r"(rhs0));
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(lhs[2]), "r"(lhs[3]), "r"(rhs1));
#endif
}

/// N neighbours at an address that is a multiple of them all: one access of up to 16 bytes.
template <class T> __device__ unsigned pack(T low, T high) { return unsigned(high.bits) << 16 | low.bits; }
template <class T> __device__ void unpack(unsigned word, T &low, T &high) {
  low.bits = word & 0xffff;
  high.bits = word >> 16;
}
template <class T> __device__ void load2(const T *from, T &a, T &b) {
  unpack(*reinterpret_cast<const unsigned *>(from), a, b);
}
template <class T> __device__ void load4(const T *from, T &a, T &b, T &c, T &d) {
  uint2 words = *reinterpret_cast<const uint2 *>(from);
  unpack(words.x, a, b);
  unpack(words.y, c, d);
}
template <class T>
__device__ void load8(const T *from, T &a, T &b, T &c, T &d, T &e, T &f, T &g, T &h) {
  uint4 words = *reinterpret_cast<const uint4 *>(from);
  unpack(words.x, a, b);
  unpack(words.y, c, d);
  unpack(words.z, e, f);
  unpack(words.w, g, h);
}
template <class T> __device__ void store2(T *to, T a, T b) {
  *reinterpret_cast<unsigned *>(to) = pack(a, b);
}
template <class T> __device__ void store4(T *to, T a, T b, T c, T d) {
  *reinterpret_cast<uint2 *>(to) = make_uint2(pack(a, b), pack(c, d));
}
template <class T> __device__ void store8(T *to, T a, T b, T c, T d, T e, T f, T g, T h) {
  *reinterpret_cast<uint4 *>(to) = make_uint4(pack(a, b), pack(c, d), pack(e, f), pack(g, h));
}
__device__ inline void load2(const float *from, float &a, float &b) {
  float2 words = *reinterpret_cast<const float2 *>(from);
  a = words.x, b = words.y;
}
__device__ inline void load4(const float *from, float &a, float &b, float &c, float &d) {
  float4 words = *reinterpret_cast<const float4 *>(from);
  a = words.x, b = words.y, c = words.z, d = words.w;
}
__device__ inline void store2(float *to, float a, float b) {
  *reinterpret_cast<float2 *>(to) = make_float2(a, b);
}
__device__ inline void store4(float *to, float a, float b, float c, float d) {
  *reinterpret_cast<float4 *>(to) = make_float4(a, b, c, d);
}
/// N neighbours for this thread of those of the 4 threads side by side, which the warp reads together:
/// `first` is of the first of the four, and of `inside` elements.
template <int N> __device__ void loadSpread(const float *first, int inside, float (&to)[N]) {
  int lane = threadIdx.x % 32, from = lane % 4 * N;
#pragma unroll
  for (int part = 0; part < (4 * N + 31) / 32; ++part) {
    int at = part * 32 + lane;
    float value = at < 4 * N && at < inside ? first[at] : 0;
#pragma unroll
    for (int e = 0; e < N; ++e) {
      float got = __shfl_sync(0xffffffffu, value, (from + e) % 32);
      if ((from + e) / 32 == part)
        to[e] = got;
    }
  }
}

/// A product's steps of K, 32 each, two in flight: fetch(stage, k0) starts copying one, keep(stage)
/// stores what comes through registers, multiply(stage, k0) uses one that is there. `Copies`: something
/// is copied to shared memory by cp.async.
template <int K, bool Copies, class Fetch, class Keep, class Multiply>
__device__ void forSteps(Fetch fetch, Keep keep, Multiply multiply) {
  fetch(0, 0);
  keep(0);
  unsigned stage = 0;
#pragma unroll 1
  for (int k0 = 0; k0 < K; k0 += 32) {
    bool hasNext = k0 + 32 < K;
    if (hasNext)
      fetch(1 - stage, k0 + 32);
    else
      commitCopies(); // an empty group: the wait below counts groups
    waitForCopies<1>();
    __syncthreads();
    multiply(stage, k0);
    if (hasNext)
      keep(1 - stage);
    if (Copies && hasNext) // the next ones begin before the barrier above
      __syncthreads();
    stage = 1 - stage;
  }
}

/// One operand's tile in shared memory, Rows x 32 elements of each of Groups groups. Runs of 8 elements
/// are the units; their places are turned, so that eight that are read together lie in all banks: rows
/// side by side, or, in Pairs, two of every four.
template <Form Kind, int Groups, int Rows, bool Pairs> struct MmaTile {
  static constexpr int BK = 32, Content = Kind == Form::Scratch ? 0 : Groups * Rows * BK;
  /// Interleaved: rows that a warp reads together lie in different banks.
  static constexpr int Pitch = Groups * BK + (Groups == 2 ? 16 : Groups == 4 ? 32 : 8);
  static constexpr int Elements = Kind == Form::Interleaved ? Rows * Pitch : Content;
  static constexpr bool Transposed = Kind == Form::RunsOfRows;
  static constexpr int Units = Content / (Kind == Form::Elements ? 1 : 8);
  static constexpr int Loads = (Units + 255) / 256;

  static __device__ int place(int g, int row, int k) {
    if constexpr (Kind == Form::Interleaved)
      return row * Pitch + k * Groups + g;
    if constexpr (Transposed) {
      int turn = Rows % 64 == 0 ? k % 8 : Rows % 32 == 0 ? k / 2 % 4 : k / 4 % 2;
      return (g * BK + k) * Rows + (row / 8 ^ turn) * 8 + row % 8;
    }
    return (g * Rows + row) * BK + (k / 8 ^ row / (Pairs ? 4 : 2) % 4) * 8 + k % 8;
  }
};

/// What a thread copies of one operand: where from and where to, worked out once, a step of K apart
/// from then on. Op's functions for it are behind `Side`.
template <class Op, class Tile, Form Kind, class Side> struct MmaOperand {
  static constexpr int Threads = 256, Loads = Tile::Loads > 0 ? Tile::Loads : 1;
  static constexpr bool IsRun =
      Kind == Form::RunsOfK || Kind == Form::RunsOfRows || Kind == Form::Interleaved;
  static constexpr bool WholeK = Op::K % Tile::BK == 0;
  using Element = typename Op::Element;

  unsigned to[Loads];
  const Element *from[Loads];
  Element held[Loads];
#if __CUDA_ARCH__ < 800
  uint4 runs[Loads];
#endif

  /// A unit of this thread: its group, row of the tile, row of the operand, and k.
  static __device__ bool unit(int i, int origin, int &g, int &row, int &at, int &k) {
    Side::unit(i, origin, g, row, at, k);
    return Tile::Units % Threads == 0 || threadIdx.x + i * Threads < Tile::Units;
  }
  static __device__ bool isInside(int at, int k) {
    return (Side::Whole || at < Side::Size) && (WholeK || k < Op::K);
  }

  __device__ void begin(const Op &op, int batch, int origin, unsigned shared) {
    if constexpr (IsRun)
#pragma unroll
      for (int i = 0; i < Tile::Loads; ++i) {
        int g, row, at, k;
        bool has = unit(i, origin, g, row, at, k);
        to[i] = shared + Tile::place(g, row, k) * 2;
        from[i] = Side::at(op, batch, g, has && isInside(at, k) ? at : 0, has && isInside(at, k) ? k : 0);
      }
  }

  /// Starts copying a step; what comes through registers waits there.
  __device__ void fetch(const Op &op, int batch, int origin, unsigned stage, int k0) {
#pragma unroll
    for (int i = 0; i < Tile::Loads; ++i) {
      int g, row, at, k;
      if (!unit(i, origin, g, row, at, k))
        continue;
      bool inside = isInside(at, k0 + k);
      if constexpr (Kind == Form::Elements) {
        held[i] = inside ? Side::element(op, batch, g, at, k0 + k) : Element(0);
      } else if constexpr (IsRun) {
        if constexpr (Side::Step == 0)
          from[i] = Side::at(op, batch, g, inside ? at : 0, inside ? k0 + k : 0);
#if __CUDA_ARCH__ >= 800
        copyAsync(to[i] + stage, from[i], inside);
#else
        runs[i] = inside ? *reinterpret_cast<const uint4 *>(from[i]) : make_uint4(0, 0, 0, 0);
#endif
        from[i] += Side::Step;
      }
    }
  }

  /// What came through registers to shared memory, in stage `stage` (bytes).
  __device__ void keep(int origin, Element *shared, unsigned stage) const {
#if __CUDA_ARCH__ < 800
    if constexpr (IsRun)
#pragma unroll
      for (int i = 0; i < Tile::Loads; ++i) {
        int g, row, at, k;
        if (unit(i, origin, g, row, at, k))
          asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to[i] + stage), "r"(runs[i].x),
                       "r"(runs[i].y), "r"(runs[i].z), "r"(runs[i].w)
                       : "memory");
      }
#endif
    if constexpr (Kind == Form::Elements)
#pragma unroll
      for (int i = 0; i < Tile::Loads; ++i) {
        int g, row, at, k;
        if (unit(i, origin, g, row, at, k))
          shared[stage / 2 + Tile::place(g, row, k)] = held[i];
      }
  }
};
