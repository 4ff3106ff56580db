// plain [C, H W] <-> blocked [C/16, H W, 16]: for every image and block of channels a transpose of 16 x HW floats. Images are split as if
// they were the channels of one image.
#include <immintrin.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "codegen/contraction/contraction.h"
#include "codegen/contraction/transpose.h"
#include "codegen/error.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {
namespace {

constexpr int64_t kBlock = kLayoutBlock;
constexpr int64_t kElementsPerPiece = 1 << 14;  // about 10 us

// Positions [begin, end) of one block of channels.
template <bool kStream>
void to_blocked(const float* plain, int64_t positions, float* blocked, int64_t begin, int64_t end) {
  int64_t p = begin;
  for (; p + 8 <= end; p += 8) {
    transpose8<kStream>(plain + p, positions, blocked + p * kBlock, kBlock);
    transpose8<kStream>(plain + 8 * positions + p, positions, blocked + p * kBlock + 8, kBlock);
  }
  for (; p < end; ++p)
    for (int64_t c = 0; c < kBlock; ++c) blocked[p * kBlock + c] = plain[c * positions + p];
}

template <bool kStream>
void to_plain(const float* blocked, int64_t positions, float* plain, int64_t begin, int64_t end) {
  int64_t p = begin;
  for (; p + 16 <= end; p += 16)  // whole cache lines of each channel
    for (int64_t c = 0; c < kBlock; c += 8) {
      transpose8<kStream>(blocked + p * kBlock + c, kBlock, plain + c * positions + p, positions);
      transpose8<kStream>(blocked + (p + 8) * kBlock + c, kBlock, plain + c * positions + p + 8, positions);
    }
  for (; p < end; ++p)
    for (int64_t c = 0; c < kBlock; ++c) plain[c * positions + p] = blocked[p * kBlock + c];
}

int64_t last_level_cache() {
  static const int64_t bytes = [] {
    const long known = sysconf(_SC_LEVEL3_CACHE_SIZE);
    return known > 0 ? int64_t{known} : int64_t{16} << 20;
  }();
  return bytes;
}

}  // namespace

void reorder(const float* source, Layout from, float* destination, Layout to, std::array<int64_t, 4> nchw) {
  const bool inward = from == Layout::plain;
  const int axis = split_axis(inward ? to : from);
  const int64_t images = axis == 0 ? 1 : nchw[0], channels = axis == 0 ? nchw[0] : nchw[1];
  const int64_t positions = (axis == 0 ? nchw[1] : 1) * nchw[2] * nchw[3], elements = images * channels * positions;
  if (elements == 0) return;
  if (from == to) {
    parallel_for(elements, kElementsPerPiece, [&](int64_t begin, int64_t end) {
      std::memcpy(destination + begin, source + begin, static_cast<size_t>(end - begin) * sizeof(float));
    });
    return;
  }
  check((inward || to == Layout::plain) && channels % kBlock == 0, "a reorder between layouts that have none");

  // Results that the caches cannot hold go past them, where alignment allows it.
  const bool aligned = reinterpret_cast<uintptr_t>(destination) % 32 == 0 && (inward || positions % 8 == 0);
  const bool stream = aligned && elements * static_cast<int64_t>(sizeof(float)) > last_level_cache();
  const auto run = inward ? (stream ? to_blocked<true> : to_blocked<false>) : (stream ? to_plain<true> : to_plain<false>);

  const int64_t per_part = std::min(positions, kElementsPerPiece / kBlock), parts = (positions + per_part - 1) / per_part;
  const int64_t grain = std::max<int64_t>(1, kElementsPerPiece / (kBlock * per_part));
  parallel_for(images * (channels / kBlock) * parts, grain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t base = i / parts * kBlock * positions, first = i % parts * per_part;
      run(source + base, positions, destination + base, first, std::min(first + per_part, positions));
    }
    if (stream) _mm_sfence();
  });
}

}  // namespace kiln::codegen
