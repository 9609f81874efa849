// kernel.reduce: a block takes 32 columns of one batch and goes down its rows 8 at a time, or 256
// columns one row at a time where rows are few, or, where rows are neighbours in memory, 8 columns and
// 32 rows at a time. Op says what is read and stored:
//
//   Batches, Rows, Columns, Results;  RowsAreNeighbours, RowsAreFew
//   add(batch, row, column, sums)     adds the terms of one place to sums[Results]
//   store(batch, column, sums)
template <class Op> struct Reduce {
  static constexpr int Groups = Op::RowsAreFew ? 1 : 8, Lanes = Op::RowsAreFew ? 256 : 32;
  static constexpr int ColumnsOfBlock = Op::RowsAreNeighbours ? Groups : Lanes;
  static constexpr int RowsAtATime = Op::RowsAreNeighbours ? Lanes : Groups;
  static constexpr int Slabs = (Op::Columns + ColumnsOfBlock - 1) / ColumnsOfBlock;

  static __device__ void run(const Op &op, int tile, float *shared) {
    int lane = threadIdx.x % Lanes, group = threadIdx.x / Lanes, batch = tile / Slabs;
    int column = tile % Slabs * ColumnsOfBlock + (Op::RowsAreNeighbours ? group : lane);
    float sums[Op::Results];
    for (int i = 0; i < Op::Results; ++i)
      sums[i] = 0;
    if (column < Op::Columns)
      for (int row = Op::RowsAreNeighbours ? lane : group; row < Op::Rows; row += RowsAtATime)
        op.add(batch, row, column, sums);
    if constexpr (Op::RowsAreNeighbours) {
      for (int i = 0; i < Op::Results; ++i)
        sums[i] = reduceWarp<Add>(sums[i]);
      if (lane == 0 && column < Op::Columns)
        op.store(batch, column, sums);
    } else if constexpr (Op::RowsAreFew) {
      if (column < Op::Columns)
        op.store(batch, column, sums);
    } else {
      for (int i = 0; i < Op::Results; ++i)
        shared[(i * Groups + group) * Lanes + lane] = sums[i];
      __syncthreads();
      if (group > 0 || column >= Op::Columns)
        return;
      for (int i = 0; i < Op::Results; ++i)
        for (int other = 1; other < Groups; ++other)
          sums[i] += shared[(i * Groups + other) * Lanes + lane];
      op.store(batch, column, sums);
    }
  }
};
