// Sorting by radix: stable, linear, and the same for every dtype, whose elements become unsigned keys.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "codegen/error.h"
#include "codegen/interpreter/primitives.h"
#include "codegen/routines/routines.h"
#include "codegen/thread_pool.h"

namespace kiln::codegen {
namespace {

// What a key takes from a dtype, in words of U, which hold its elements.
template <class U>
struct KeyRule {
  U sign = 0, infinity = 0, all = 0;  // masks of the dtype's width; `infinity`: the bits of +inf
  bool floating = false;

  explicit KeyRule(DType t) : floating(is_floating(t)) {
    const int bits = 8 * size_of(t);
    all = static_cast<U>(bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1);
    if (is_signed(t)) sign = static_cast<U>(U{1} << (bits - 1));
    if (floating)
      infinity = static_cast<U>(
          interpreter::evaluate(Prim::cast, t, DType::F64, std::bit_cast<uint64_t>(std::numeric_limits<double>::infinity())));
  }
  U operator()(U x) const {
    if (!floating) return x ^ sign;
    // Without branches, which signs in random order would mislead.
    const auto where = [](bool condition) { return U{0} - static_cast<U>(condition); };
    const U magnitude = x & ~sign & all, zero = where(magnitude == 0);
    const U key = x ^ (sign | (where((x & sign) != 0) & all));
    return ((key & ~zero) | (sign & zero)) | (where(magnitude > infinity) & all);
  }
};

template <class U>
uint64_t load(const void* p, int64_t i) {
  U u;
  std::memcpy(&u, static_cast<const std::byte*>(p) + i * static_cast<int64_t>(sizeof(U)), sizeof(U));
  return u;
}

// Calls f with a function that reads element i, zero-extended.
template <class F>
void with_elements(int size, const void* p, F&& f) {
  switch (size) {
    case 1: return f([=](int64_t i) { return load<uint8_t>(p, i); });
    case 2: return f([=](int64_t i) { return load<uint16_t>(p, i); });
    case 4: return f([=](int64_t i) { return load<uint32_t>(p, i); });
    case 8: return f([=](int64_t i) { return load<uint64_t>(p, i); });
    default: fail(ErrorCode::internal, "elements of " + std::to_string(size) + " bytes have no order");
  }
}

struct Entry {
  uint64_t key;
  int64_t position;
};

constexpr int64_t kSmall = 128;  // shorter lines are sorted by comparing: the counters alone would cost more

// By key, then by position, which entries come in order of. The result is in `a`; `b` is as long.
void sort_entries(Entry* a, Entry* b, int64_t n, int key_bytes) {
  if (n <= kSmall) {
    std::sort(a, a + n, [](const Entry& x, const Entry& y) { return x.key != y.key ? x.key < y.key : x.position < y.position; });
    return;
  }
  Entry *from = a, *to = b;
  std::array<std::array<int64_t, 256>, 8> counts{};
  for (int64_t i = 0; i < n; ++i)
    for (int d = 0; d < key_bytes; ++d) ++counts[d][a[i].key >> (8 * d) & 255];
  for (int d = 0; d < key_bytes; ++d) {
    std::array<int64_t, 256>& count = counts[d];
    if (count[from[0].key >> (8 * d) & 255] == n) continue;  // all have the same digit
    int64_t at = 0;
    for (int64_t& c : count) at += std::exchange(c, at);
    for (int64_t i = 0; i < n; ++i) to[count[from[i].key >> (8 * d) & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != a) std::memcpy(a, from, static_cast<size_t>(n) * sizeof(Entry));
}

// The least k entries that `entry` gives for 0..n-1, in order, into `kept`: each new one is put in its place among those so far.
void keep_least(Entry* kept, int64_t k, int64_t n, const auto& entry) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t key = entry(i);
    if (count == k && key >= kept[k - 1].key) continue;  // of equals the first stay
    int64_t at = count < k ? count++ : k - 1;
    for (; at > 0 && kept[at - 1].key > key; --at) kept[at] = kept[at - 1];
    kept[at] = {key, i};
  }
}

// Of short lines, where an item and where it stands fit one word, so that none are equal: the least of each eight, of which the least is taken k
// times. Nothing is decided by branches, which random data would have foretold wrongly.
class ShortLine {
 public:
  static constexpr int64_t kMostItems = 1024, kMostTaken = 16;

  // `key`: of item i.
  void fill(int64_t n, const auto& key) {
    blocks_ = (n + kBlock - 1) / kBlock;
    uint32_t keys[kMostItems];
    for (int64_t i = 0; i < n; ++i) keys[i] = static_cast<uint32_t>(key(i));
    for (int64_t i = 0; i < n; ++i) words_[i] = uint64_t{keys[i]} << 32 | static_cast<uint64_t>(i);
    std::fill(words_ + n, words_ + blocks_ * kBlock, kGone);
    for (int64_t b = 0; b < blocks_; ++b) least_[b] = least_of_block(words_ + b * kBlock);
    rows_ = (blocks_ + kBlock - 1) / kBlock;
    std::fill(least_ + blocks_, least_ + rows_ * kBlock, kGone);
  }
  int64_t take() {
    uint64_t word = kGone;
    for (int64_t r = 0; r < rows_; ++r) word = std::min(word, least_of_block(least_ + r * kBlock));
    const auto position = static_cast<int64_t>(word & 0xffffffff), block = position / kBlock;
    words_[position] = kGone;
    least_[block] = least_of_block(words_ + block * kBlock);
    return position;
  }

 private:
  static constexpr int64_t kBlock = 8;
  static constexpr uint64_t kGone = ~uint64_t{0};
  static uint64_t least_of_block(const uint64_t* w) {  // in halves: a shorter chain
    return std::min(std::min(std::min(w[0], w[4]), std::min(w[1], w[5])), std::min(std::min(w[2], w[6]), std::min(w[3], w[7])));
  }
  uint64_t words_[kMostItems], least_[kMostItems / kBlock];
  int64_t blocks_ = 0, rows_ = 0;  // a row: eight blocks
};

}  // namespace

uint64_t order_key(DType dtype, uint64_t bits) { return KeyRule<uint64_t>(dtype)(bits); }

void sort_positions(DType dtype, const Lines& l, bool descending, const void* x, int64_t* positions) {
  first_positions(dtype, l, l.n, descending, x, positions);
}

void first_positions(DType dtype, const Lines& l, int64_t k, bool descending, const void* x, int64_t* positions) {
  if (k == 0) return;
  // Few in random order cost k entries moved for each of the first and k/i for the i-th; sorting, log n for all.
  const bool few = k * 16 <= l.n;
  const bool is_short = few && size_of(dtype) <= 4 && l.n <= ShortLine::kMostItems && k <= ShortLine::kMostTaken;
  const KeyRule<uint64_t> rule(dtype);
  const uint64_t flip = descending ? rule.all : 0;
  const int64_t lines = l.outer * l.inner, room = few ? k : 2 * l.n;
  std::atomic<bool> out_of_memory = false;
  with_elements(size_of(dtype), x, [&](auto element) {
    parallel_for(lines, std::max<int64_t>(1, 4096 / std::max<int64_t>(l.n, 1)), [&](int64_t begin, int64_t end) {
      std::array<Entry, 64> in_place;
      std::unique_ptr<Entry[]> more;
      if (room > static_cast<int64_t>(in_place.size())) {
        more.reset(new (std::nothrow) Entry[static_cast<size_t>(room)]);
        if (!more) {
          out_of_memory = true;
          return;
        }
      }
      Entry* const entries = more ? more.get() : in_place.data();
      for (int64_t line = begin; line < end; ++line) {
        const int64_t first = line / l.inner * l.n * l.inner + line % l.inner, to = line / l.inner * k * l.inner + line % l.inner;
        const auto key = [&](int64_t i) { return rule(element(first + i * l.inner)) ^ flip; };
        if (is_short) {
          ShortLine items;
          if (size_of(dtype) == 4 && l.inner == 1)
            items.fill(l.n, [own = KeyRule<uint32_t>(dtype), line = static_cast<const uint32_t*>(x) + first,
                             other = static_cast<uint32_t>(flip)](int64_t i) { return own(line[i]) ^ other; });
          else items.fill(l.n, key);
          for (int64_t i = 0; i < k; ++i) positions[to + i * l.inner] = items.take();
          continue;
        }
        if (few) {
          keep_least(entries, k, l.n, key);
        } else {
          for (int64_t i = 0; i < l.n; ++i) entries[i] = {key(i), i};
          sort_entries(entries, entries + l.n, l.n, size_of(dtype));
        }
        for (int64_t i = 0; i < k; ++i) positions[to + i * l.inner] = entries[i].position;
      }
    });
  });
  if (out_of_memory) fail(ErrorCode::memory, "no memory to sort " + std::to_string(l.n) + " elements");
}

void search_sorted(DType dtype, const void* sorted, int64_t n, const void* queries, int64_t count, bool right, int64_t* positions) {
  const KeyRule<uint64_t> rule(dtype);
  with_elements(size_of(dtype), sorted, [&](auto element) {
    with_elements(size_of(dtype), queries, [&](auto query) {
      parallel_for(count, 1024, [&](int64_t begin, int64_t end) {
        for (int64_t q = begin; q < end; ++q) {
          const uint64_t key = rule(query(q));
          int64_t low = 0, length = n;
          while (length > 0) {
            const int64_t half = length / 2;
            const uint64_t middle = rule(element(low + half));
            const bool after = right ? middle <= key : middle < key;
            low = after ? low + half + 1 : low;
            length = after ? length - half - 1 : half;
          }
          positions[q] = low;
        }
      });
    });
  });
}

}  // namespace kiln::codegen
