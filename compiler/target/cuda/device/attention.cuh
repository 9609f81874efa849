// kernel.attention and kernel.attention_backward in float32. Tensors are (batch, tokens, heads * D); a
// block of 256 threads works on a tile of T rows (queries, or keys) of one head of one sample, 256 / T
// threads a row, and goes over the other side tile by tile. Scores exist for one tile at a time.
// FlashAttention-2 (Dao 2023), algorithms 1 and 2; gradients without atomics: queries and keys have
// blocks of their own, and both compute the scores again.
//
//   Batch, Heads, Tokens, D, T   T is 8, 16 or 32
template <class Op> struct Attention {
  static constexpr int Threads = 256, T = Op::T, D = Op::D;
  static constexpr int Lanes = Threads / T;         ///< threads of a row, neighbours in a warp
  static constexpr int Padded = (D + 3) / 4 * 4;    ///< columns, the last ones zeros
  static constexpr int Row = Padded + 4;            ///< floats from one row to the next, other banks
  static constexpr int Score = T + 4;               ///< the same for a tile of T x T
  static constexpr int Quads = (Padded / 4 + Lanes - 1) / Lanes; ///< groups of 4 columns of a thread
  static constexpr int Others = (T + Lanes - 1) / Lanes;         ///< scores of a thread
  static constexpr int TileFloats = T * Row, ScoreFloats = T * Score;
  static constexpr int Tiles = (Op::Tokens + T - 1) / T;

  static __device__ float scale() { return 1 / sqrtf(float(D)); }
  static __device__ int row() { return threadIdx.x / Lanes; }
  static __device__ int lane() { return threadIdx.x % Lanes; }

  /// Element (token, column) of head `head` of sample `sample`.
  static __device__ int at(int sample, int head, int token, int column) {
    return (sample * Op::Tokens + token) * (Op::Heads * D) + head * D + column;
  }
  static __device__ int atRow(int sample, int head, int token) {
    return (sample * Op::Heads + head) * Op::Tokens + token;
  }

  /// A tile of T tokens from `first` on; zeros past the end.
  static __device__ void loadTile(float *to, const float *from, int sample, int head, int first) {
    for (int e = threadIdx.x; e < T * Padded; e += Threads) {
      int token = e / Padded, column = e % Padded;
      bool inside = first + token < Op::Tokens && column < D;
      to[token * Row + column] = inside ? from[at(sample, head, first + token, column)] : 0;
    }
  }

  /// products[j] = a[row] . b[lane + j * Lanes]: a thread's share of a tile of T x T.
  static __device__ void multiplyRows(float (&products)[Others], const float *a, const float *b) {
    for (int j = 0; j < Others; ++j)
      products[j] = 0;
    const float *own = a + row() * Row;
#pragma unroll 4
    for (int column = 0; column < Padded; column += 4)
#pragma unroll
      for (int j = 0; j < Others; ++j) {
        int other = lane() + j * Lanes;
        if (T % Lanes == 0 || other < T)
#pragma unroll
          for (int i = 0; i < 4; ++i)
            products[j] += own[column + i] * b[other * Row + column + i];
      }
  }

  /// sums += weights[row] (1 x T) * b (T x D): a thread has 4 neighbouring columns of each quad.
  static __device__ void addRows(float (&sums)[Quads][4], const float *weights, const float *b) {
#pragma unroll 4
    for (int other = 0; other < T; ++other) {
      float weight = weights[row() * Score + other];
#pragma unroll
      for (int q = 0; q < Quads; ++q) {
        int column = (lane() + q * Lanes) * 4;
        if (Padded / 4 % Lanes == 0 || column < Padded)
#pragma unroll
          for (int i = 0; i < 4; ++i)
            sums[q][i] += weight * b[other * Row + column + i];
      }
    }
  }

  static __device__ void clear(float (&sums)[Quads][4]) {
    for (int q = 0; q < Quads; ++q)
      for (int i = 0; i < 4; ++i)
        sums[q][i] = 0;
  }

  /// Stores a thread's sums, times `factor`, by way of a tile of shared memory that is free.
  static __device__ void storeTile(float *to, const float (&sums)[Quads][4], float factor, float *shared, int sample,
                                   int head, int first) {
    __syncthreads();
    for (int q = 0; q < Quads; ++q)
      for (int i = 0; i < 4; ++i)
        if (int column = (lane() + q * Lanes) * 4 + i; column < Padded)
          shared[row() * Row + column] = sums[q][i] * factor;
    __syncthreads();
    for (int e = threadIdx.x; e < T * D; e += Threads) {
      int token = e / D, column = e % D;
      if (first + token < Op::Tokens)
        to[at(sample, head, first + token, column)] = shared[token * Row + column];
    }
  }

  /// Over the threads of a row; all get the result.
  template <class Kind> static __device__ float reduceRow(float value) {
    for (int distance = Lanes / 2; distance > 0; distance /= 2)
      value = Kind::of(value, __shfl_xor_sync(0xffffffffu, value, distance));
    return value;
  }

  static constexpr int ForwardFloats = 3 * TileFloats + ScoreFloats;

  static __device__ void forward(const float *query, const float *key, const float *value, float *result,
                                 float *logsumexp, float *shared) {
    int tile = blockIdx.x % Tiles, head = blockIdx.x / Tiles % Op::Heads, sample = blockIdx.x / Tiles / Op::Heads;
    float *queries = shared, *keys = queries + TileFloats, *values = keys + TileFloats, *weights = values + TileFloats;
    loadTile(queries, query, sample, head, tile * T);
    float largest = -infinity(), sum = 0, sums[Quads][4];
    clear(sums);
#pragma unroll 1
    for (int first = 0; first < Op::Tokens; first += T) {
      __syncthreads();
      loadTile(keys, key, sample, head, first);
      loadTile(values, value, sample, head, first);
      __syncthreads();
      float scores[Others], before = largest;
      multiplyRows(scores, queries, keys);
      for (int j = 0; j < Others; ++j) {
        int other = lane() + j * Lanes;
        scores[j] = other < T && first + other < Op::Tokens ? scores[j] * scale() : -infinity();
        largest = maximum(largest, scores[j]);
      }
      largest = reduceRow<Max>(largest);
      float correction = expf(before - largest), part = 0;
      for (int j = 0; j < Others; ++j) {
        float weight = expf(scores[j] - largest);
        part += weight;
        if (int other = lane() + j * Lanes; other < T)
          weights[row() * Score + other] = weight;
      }
      sum = sum * correction + reduceRow<Add>(part);
      for (int q = 0; q < Quads; ++q)
        for (int i = 0; i < 4; ++i)
          sums[q][i] *= correction;
      __syncwarp(); // a row's weights are of one warp
      addRows(sums, weights, values);
    }
    storeTile(result, sums, 1 / sum, queries, sample, head, tile * T);
    if (int token = tile * T + row(); lane() == 0 && token < Op::Tokens)
      logsumexp[atRow(sample, head, token)] = largest + logf(sum);
  }

  static constexpr int BackwardFloats = 4 * TileFloats + 2 * ScoreFloats + 2 * T;

  struct Tensors {
    const float *query, *key, *value, *result, *logsumexp, *gradient;
    float *queryGradient, *keyGradient, *valueGradient;
  };

  /// For the tile of queries from `first` on: logsumexp, and rowsum(gradient * result), which is
  /// rowsum(P * dP). `gradients` holds the tile of the gradient.
  static __device__ void loadRowSums(const Tensors &t, float *sums, float *products, const float *gradients, int sample,
                                     int head, int first) {
    int token = first + row();
    float part = 0;
    for (int column = lane(); column < D; column += Lanes)
      if (token < Op::Tokens)
        part += gradients[row() * Row + column] * t.result[at(sample, head, token, column)];
    part = reduceRow<Add>(part);
    if (lane() == 0) {
      products[row()] = part;
      sums[row()] = token < Op::Tokens ? t.logsumexp[atRow(sample, head, token)] : infinity();
    }
  }

  /// Block 0 .. Tiles-1 of a head makes the gradient of a tile of queries, the others those of keys and
  /// values.
  static __device__ void backward(const Tensors &t, float *shared) {
    int block = blockIdx.x % (2 * Tiles), head = blockIdx.x / (2 * Tiles) % Op::Heads,
        sample = blockIdx.x / (2 * Tiles) / Op::Heads;
    if (block < Tiles)
      backwardQueries(t, shared, sample, head, block * T);
    else
      backwardKeys(t, shared, sample, head, (block - Tiles) * T);
  }

  /// dQ = dS K scale, dS = P (dP - rowsum), dP = dO V^T.
  static __device__ void backwardQueries(const Tensors &t, float *shared, int sample, int head, int own) {
    float *queries = shared, *gradients = queries + TileFloats, *keys = gradients + TileFloats,
          *values = keys + TileFloats, *slopes = values + TileFloats, *rowSums = slopes + 2 * ScoreFloats,
          *rowProducts = rowSums + T;
    loadTile(queries, t.query, sample, head, own);
    loadTile(gradients, t.gradient, sample, head, own);
    __syncthreads();
    loadRowSums(t, rowSums, rowProducts, gradients, sample, head, own);
    float sums[Quads][4];
    clear(sums);
#pragma unroll 1
    for (int first = 0; first < Op::Tokens; first += T) {
      __syncthreads();
      loadTile(keys, t.key, sample, head, first);
      loadTile(values, t.value, sample, head, first);
      __syncthreads();
      float scores[Others], products[Others];
      multiplyRows(scores, queries, keys);
      multiplyRows(products, gradients, values);
      for (int j = 0; j < Others; ++j)
        if (int other = lane() + j * Lanes; other < T) {
          // 0 past the last key, where exp(0 - logsumexp) may be infinite, and infinite * 0 NaN.
          bool inside = first + other < Op::Tokens;
          float weight = inside ? expf(scores[j] * scale() - rowSums[row()]) : 0;
          slopes[row() * Score + other] = weight * (products[j] - rowProducts[row()]);
        }
      __syncwarp();
      addRows(sums, slopes, keys);
    }
    storeTile(t.queryGradient, sums, scale(), queries, sample, head, own);
  }

  /// dV = P^T dO, dK = dS^T Q scale; a row is a key here.
  static __device__ void backwardKeys(const Tensors &t, float *shared, int sample, int head, int own) {
    float *keys = shared, *values = keys + TileFloats, *queries = values + TileFloats,
          *gradients = queries + TileFloats, *weights = gradients + TileFloats, *slopes = weights + ScoreFloats,
          *rowSums = slopes + ScoreFloats, *rowProducts = rowSums + T;
    loadTile(keys, t.key, sample, head, own);
    loadTile(values, t.value, sample, head, own);
    float keySums[Quads][4], valueSums[Quads][4];
    clear(keySums);
    clear(valueSums);
#pragma unroll 1
    for (int first = 0; first < Op::Tokens; first += T) {
      __syncthreads();
      loadTile(queries, t.query, sample, head, first);
      loadTile(gradients, t.gradient, sample, head, first);
      __syncthreads();
      loadRowSums(t, rowSums, rowProducts, gradients, sample, head, first);
      float scores[Others], products[Others];
      multiplyRows(scores, keys, queries);
      multiplyRows(products, values, gradients);
      __syncthreads();
      for (int j = 0; j < Others; ++j)
        if (int other = lane() + j * Lanes; other < T) {
          float weight = expf(scores[j] * scale() - rowSums[other]); // 0 past the last query
          weights[row() * Score + other] = weight;
          slopes[row() * Score + other] = weight * (products[j] - rowProducts[other]);
        }
      __syncwarp();
      addRows(valueSums, weights, gradients);
      addRows(keySums, slopes, queries);
    }
    storeTile(t.valueGradient, valueSums, 1, queries, sample, head, own);
    storeTile(t.keyGradient, keySums, scale(), queries, sample, head, own);
  }
};
