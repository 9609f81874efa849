// kernel.attention and kernel.attention_backward on tensor cores: tensors are float32 in memory, tiles
// are rounded to 16 bits on their way to shared memory, scores and sums are float32. A block of 128
// threads works on 64 rows (queries, or keys) of one head of one sample, 16 of a warp, and goes over
// the other side 64 at a time, or 32 where heads are large. Scores never leave registers: as they lie after one product they are an
// operand of the next (FlashAttention-2, Dao 2023). Gradients as in attention.cuh.
//
//   Batch, Heads, Tokens, D, Element   D is at most 128; bf16 or f16
template <class Op> struct MmaAttention {
  static constexpr int Threads = 128, T = 64, D = Op::D;
  static constexpr int U = D <= 64 ? 64 : 32;        ///< rows of the other side at a time
  static constexpr int Padded = (D + 15) / 16 * 16;  ///< columns, the last ones zeros
  static constexpr int Row = Padded + 8;             ///< elements: rows that are read together, other banks
  static constexpr int Steps = Padded / 16, Columns = Padded / 8, Others = U / 8; ///< mma tiles
  static constexpr int TileElements = T * Row, Tiles = (Op::Tokens + T - 1) / T;
  static constexpr bool Quads = D % 4 == 0;
  using Element = typename Op::Element;
  using Fragments = unsigned[Steps][4]; ///< 16 rows of a warp, all columns
  using Scores = float[Others][4];      ///< 16 rows x U
  using Sums = float[Columns][4];       ///< 16 rows x Padded

  static __device__ float scale() { return 1 / sqrtf(float(D)); }
  static __device__ int lane() { return threadIdx.x % 32; }
  static __device__ int warpRow() { return threadIdx.x / 32 * 16; }
  /// Row and column of element e of mma tile j.
  static __device__ int rowOf(int e) { return warpRow() + lane() / 4 + e / 2 * 8; }
  static __device__ int columnOf(int j, int e) { return j * 8 + lane() % 4 * 2 + e % 2; }

  static __device__ int at(int sample, int head, int token, int column) {
    return (sample * Op::Tokens + token) * (Op::Heads * D) + head * D + column;
  }
  static __device__ int atRow(int sample, int head, int token) {
    return (sample * Op::Heads + head) * Op::Tokens + token;
  }

  /// A tile of Rows tokens from `first` on; zeros past the end.
  template <int Rows>
  static __device__ void loadTile(Element *to, const float *from, int sample, int head, int first) {
#pragma unroll 4
    for (int e = threadIdx.x; e < Rows * Padded / 4; e += Threads) {
      int token = e / (Padded / 4), column = e % (Padded / 4) * 4;
      float values[4] = {0, 0, 0, 0};
      if (first + token < Op::Tokens) {
        if constexpr (Quads) {
          if (column < D) {
            float4 quad = *reinterpret_cast<const float4 *>(from + at(sample, head, first + token, column));
            values[0] = quad.x, values[1] = quad.y, values[2] = quad.z, values[3] = quad.w;
          }
        } else {
          for (int i = 0; i < 4; ++i)
            if (column + i < D)
              values[i] = from[at(sample, head, first + token, column + i)];
        }
      }
      store4(to + token * Row + column, Element(values[0]), Element(values[1]), Element(values[2]),
             Element(values[3]));
    }
  }

  /// The warp's 16 rows of a tile.
  static __device__ void loadRows(Fragments &to, const Element *tile) {
    unsigned from = sharedAddress(tile + (warpRow() + lane() % 16) * Row + lane() / 16 * 8);
#pragma unroll
    for (int k = 0; k < Steps; ++k)
      loadMatrices<false>(to[k], from + k * 32);
  }

  /// products = rows (16 x D) * tile (U x D)^T.
  static __device__ void multiplyRows(Scores &products, const Fragments &rows, const Element *tile) {
    int l = lane();
    unsigned from = sharedAddress(tile + (l / 16 * 8 + l % 8) * Row + l / 8 % 2 * 8);
#pragma unroll
    for (int j = 0; j < Others; ++j)
      products[j][0] = products[j][1] = products[j][2] = products[j][3] = 0;
#pragma unroll
    for (int k = 0; k < Steps; ++k)
#pragma unroll
      for (int j = 0; j < Others; j += 2) {
        unsigned others[4];
        loadMatrices<false>(others, from + (j * 8 * Row + k * 16) * 2);
        multiplyAdd(products[j], rows[k], others[0], others[1], Element());
        multiplyAdd(products[j + 1], rows[k], others[2], others[3], Element());
      }
  }

  /// sums += weights (16 x U) * tile (U x D).
  static __device__ void addRows(Sums &sums, const Scores &weights, const Element *tile) {
    int l = lane();
    unsigned from = sharedAddress(tile + (l / 8 % 2 * 8 + l % 8) * Row + l / 16 * 8);
#pragma unroll
    for (int k = 0; k < U / 16; ++k) {
      unsigned rows[4];
#pragma unroll
      for (int r = 0; r < 4; ++r)
        rows[r] = pack(Element(weights[2 * k + r / 2][r % 2 * 2]), Element(weights[2 * k + r / 2][r % 2 * 2 + 1]));
#pragma unroll
      for (int j = 0; j < Columns; j += 2) {
        unsigned others[4];
        loadMatrices<true>(others, from + (k * 16 * Row + j * 8) * 2);
        multiplyAdd(sums[j], rows, others[0], others[1], Element());
        multiplyAdd(sums[j + 1], rows, others[2], others[3], Element());
      }
    }
  }

  static __device__ void clear(Sums &sums) {
#pragma unroll
    for (int j = 0; j < Columns; ++j)
      sums[j][0] = sums[j][1] = sums[j][2] = sums[j][3] = 0;
  }

  /// Stores sums, row `half` of each lane times factors[half].
  static __device__ void storeTile(float *to, const Sums &sums, const float (&factors)[2], int sample, int head,
                                   int first) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int token = first + rowOf(2 * half);
      if (token >= Op::Tokens)
        continue;
#pragma unroll
      for (int j = 0; j < Columns; ++j) {
        int column = columnOf(j, 0);
        float *place = to + at(sample, head, token, column);
        float a = sums[j][2 * half] * factors[half], b = sums[j][2 * half + 1] * factors[half];
        if (D % 2 == 0 && column < D)
          store2(place, a, b);
        else if (D % 2 != 0)
          for (int i = 0; i < 2; ++i)
            if (column + i < D)
              place[i] = i ? b : a;
      }
    }
  }

  /// Over the four lanes of a row; all get the result.
  template <class Kind> static __device__ float reduceRow(float value) {
    value = Kind::of(value, __shfl_xor_sync(0xffffffffu, value, 1));
    return Kind::of(value, __shfl_xor_sync(0xffffffffu, value, 2));
  }

  static __device__ void forward(const float *query, const float *key, const float *value, float *result,
                                 float *logsumexp, unsigned char *shared) {
    int own = blockIdx.x % Tiles * T, head = blockIdx.x / Tiles % Op::Heads, sample = blockIdx.x / Tiles / Op::Heads;
    Element *keys = reinterpret_cast<Element *>(shared), *values = keys + TileElements;
    Fragments queries;
    loadTile<T>(keys, query, sample, head, own);
    __syncthreads();
    loadRows(queries, keys);
    float largest[2] = {-infinity(), -infinity()}, sum[2] = {0, 0};
    Sums sums;
    clear(sums);
#pragma unroll 1
    for (int first = 0; first < Op::Tokens; first += U) {
      __syncthreads();
      loadTile<U>(keys, key, sample, head, first);
      loadTile<U>(values, value, sample, head, first);
      __syncthreads();
      Scores scores;
      multiplyRows(scores, queries, keys);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float before = largest[half], part = 0;
#pragma unroll
        for (int j = 0; j < Others; ++j)
#pragma unroll
          for (int e = 2 * half; e < 2 * half + 2; ++e) {
            scores[j][e] = first + columnOf(j, e) < Op::Tokens ? scores[j][e] * scale() : -infinity();
            largest[half] = maximum(largest[half], scores[j][e]);
          }
        largest[half] = reduceRow<Max>(largest[half]);
#pragma unroll
        for (int j = 0; j < Others; ++j)
#pragma unroll
          for (int e = 2 * half; e < 2 * half + 2; ++e)
            part += scores[j][e] = __expf(scores[j][e] - largest[half]);
        float correction = __expf(before - largest[half]);
        sum[half] = sum[half] * correction + reduceRow<Add>(part);
#pragma unroll
        for (int j = 0; j < Columns; ++j)
          sums[j][2 * half] *= correction, sums[j][2 * half + 1] *= correction;
      }
      addRows(sums, scores, values);
    }
    const float factors[2] = {1 / sum[0], 1 / sum[1]};
    storeTile(result, sums, factors, sample, head, own);
    for (int half = 0; half < 2; ++half)
      if (int token = own + rowOf(2 * half); lane() % 4 == 0 && token < Op::Tokens)
        logsumexp[atRow(sample, head, token)] = largest[half] + logf(sum[half]);
  }

  struct Tensors {
    const float *query, *key, *value, *result, *logsumexp, *gradient;
    float *queryGradient, *keyGradient, *valueGradient;
  };

  /// rowsum(gradient * result) of a query, which is rowsum(P * dP); 0 past the last one. Of the
  /// gradient as dP has it: what is left of dP - rowsum is small, and would be rounding.
  static __device__ float rowProduct(const Tensors &t, int sample, int head, int token) {
    float part = 0;
    if (token < Op::Tokens)
      for (int column = lane(); column < D; column += 32)
        part += float(Element(t.gradient[at(sample, head, token, column)])) *
                t.result[at(sample, head, token, column)];
    return reduceWarp<Add>(part);
  }
  /// Past the last query nothing has weight.
  static __device__ float rowSum(const Tensors &t, int sample, int head, int token) {
    return token < Op::Tokens ? t.logsumexp[atRow(sample, head, token)] : infinity();
  }

  /// Block 0 .. Tiles-1 of a head makes the gradient of a tile of queries, the others those of keys and
  /// values.
  static __device__ void backward(const Tensors &t, unsigned char *shared) {
    int block = blockIdx.x % (2 * Tiles), head = blockIdx.x / (2 * Tiles) % Op::Heads,
        sample = blockIdx.x / (2 * Tiles) / Op::Heads;
    if (block < Tiles)
      backwardQueries(t, shared, sample, head, block * T);
    else
      backwardKeys(t, shared, sample, head, (block - Tiles) * T);
  }

  /// dQ = dS K scale, dS = P (dP - rowsum), dP = dO V^T.
  static __device__ void backwardQueries(const Tensors &t, unsigned char *shared, int sample, int head, int own) {
    Element *keys = reinterpret_cast<Element *>(shared), *values = keys + TileElements;
    Fragments queries, gradients;
    loadTile<T>(keys, t.query, sample, head, own);
    loadTile<T>(values, t.gradient, sample, head, own);
    __syncthreads();
    loadRows(queries, keys);
    loadRows(gradients, values);
    float rowSums[2], rowProducts[2];
#pragma unroll 1
    for (int row = 0; row < 16; ++row) {
      float product = rowProduct(t, sample, head, own + warpRow() + row);
      if (lane() / 4 == row)
        rowProducts[0] = product;
      if (lane() / 4 + 8 == row)
        rowProducts[1] = product;
    }
    for (int half = 0; half < 2; ++half)
      rowSums[half] = rowSum(t, sample, head, own + rowOf(2 * half));
    Sums sums;
    clear(sums);
#pragma unroll 1
    for (int first = 0; first < Op::Tokens; first += U) {
      __syncthreads();
      loadTile<U>(keys, t.key, sample, head, first);
      loadTile<U>(values, t.value, sample, head, first);
      __syncthreads();
      Scores scores, products;
      multiplyRows(scores, queries, keys);
      multiplyRows(products, gradients, values);
#pragma unroll
      for (int j = 0; j < Others; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          // 0 past the last key, where exp(0 - logsumexp) may be infinite, and infinite * 0 NaN.
          bool inside = first + columnOf(j, e) < Op::Tokens;
          float weight = inside ? __expf(scores[j][e] * scale() - rowSums[e / 2]) : 0;
          scores[j][e] = weight * (products[j][e] - rowProducts[e / 2]);
        }
      addRows(sums, scores, keys);
    }
    const float factors[2] = {scale(), scale()};
    storeTile(t.queryGradient, sums, factors, sample, head, own);
  }

  /// dV = P^T dO, dK = dS^T Q scale; a row is a key here.
  static __device__ void backwardKeys(const Tensors &t, unsigned char *shared, int sample, int head, int own) {
    Element *queries = reinterpret_cast<Element *>(shared), *gradients = queries + TileElements;
    float *rowSums = reinterpret_cast<float *>(gradients + TileElements), *rowProducts = rowSums + T;
    Fragments keys, values;
    loadTile<T>(queries, t.key, sample, head, own);
    loadTile<T>(gradients, t.value, sample, head, own);
    __syncthreads();
    loadRows(keys, queries);
    loadRows(values, gradients);
    Sums keySums, valueSums;
    clear(keySums);
    clear(valueSums);
#pragma unroll 1
    for (int first = 0; first < Op::Tokens; first += U) {
      __syncthreads();
      loadTile<U>(queries, t.query, sample, head, first);
      loadTile<U>(gradients, t.gradient, sample, head, first);
#pragma unroll 1
      for (int row = threadIdx.x / 32; row < U; row += Threads / 32) {
        float product = rowProduct(t, sample, head, first + row);
        if (lane() == 0) {
          rowProducts[row] = product;
          rowSums[row] = rowSum(t, sample, head, first + row);
        }
      }
      __syncthreads();
      Scores weights, slopes;
      multiplyRows(weights, keys, queries);
      multiplyRows(slopes, values, gradients);
#pragma unroll
      for (int j = 0; j < Others; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          int other = columnOf(j, e);
          weights[j][e] = __expf(weights[j][e] * scale() - rowSums[other]); // 0 past the last query
          slopes[j][e] = weights[j][e] * (slopes[j][e] - rowProducts[other]);
        }
      addRows(valueSums, weights, gradients);
      addRows(keySums, slopes, queries);
    }
    const float one[2] = {1, 1}, factors[2] = {scale(), scale()};
    storeTile(t.valueGradient, valueSums, one, sample, head, own);
    storeTile(t.keyGradient, keySums, factors, sample, head, own);
  }
};
