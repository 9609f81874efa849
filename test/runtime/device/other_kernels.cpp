// A second shared object with a symbol of the first that does something else.
#include <cstdint>

extern "C" {

void count_tiles(void *const *buffers, int64_t tile, void *scratch) {
  static_cast<int32_t *>(buffers[0])[tile] += 100;
}

} // extern "C"
