// Enough of CUDA to run the printed kernels on the host: generated files include this before them, and g++ compiles both. A block's
// threads are fibres that one thread runs in turn, in an order that a launch chooses; shared memory is an array; barriers and shuffles wait
// until all have arrived. Arithmetic is the host's, without contraction.
#pragma once

#include <cmath>
#include <cstring>

#define __global__
#define __device__
#define __shared__
#define __grid_constant__
#define __launch_bounds__(threads)
#define __align__(bytes) alignas(bytes)

struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

namespace emulation {

constexpr int kMostThreads = 256, kWarp = 32;
constexpr unsigned long kStackBytes = 64 << 10, kSharedBytes = 48 << 10;
constexpr unsigned char kPoison = 0xa5;

struct Index {
  unsigned x, y, z;
};

// One launch, as the test program passes it. The same declaration is in emulator.h.
struct Launch {
  unsigned grid, block_x, block_y, shared_bytes;
  const void* parameters;
  unsigned order;  // which order threads run in
};
enum Outcome : int { kRan, kThreadsWaitForever, kSharedMemoryOverrun, kTooLarge };

struct Meeting {  // of the threads of a warp or a block
  unsigned arrived = 0, generation = 0;
};
struct Fibre {
  void* stack = nullptr;
  Index thread{};
  int lane = 0, warp = 0;
  bool finished = false;
  const Meeting* waits_for = nullptr;
  unsigned waits_since = 0;
};

inline Fibre fibres[kMostThreads];
alignas(64) inline unsigned char stacks[kMostThreads][kStackBytes];
inline Fibre* self;
inline void* scheduler;
inline Meeting block_meeting, warp_meeting[kMostThreads / kWarp];
inline unsigned long long exchanged[2][kMostThreads];
inline unsigned block_threads;
inline Index block_index, block_size, grid_size;
inline void (*run_thread)(const void*);
inline const void* run_parameters;

// Saves what a call must leave alone, and goes on where the other stack left off.
extern "C" void emulation_switch(void** from, void* to) __attribute__((visibility("hidden")));
asm(R"(
.text
.weak emulation_switch
.hidden emulation_switch
emulation_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
)");

inline void thread_main() {
  run_thread(run_parameters);
  self->finished = true;
  emulation_switch(&self->stack, scheduler);
}

inline void meet(Meeting& meeting, unsigned expected) {
  if (++meeting.arrived == expected) {
    meeting.arrived = 0;
    ++meeting.generation;
    return;
  }
  self->waits_for = &meeting;
  self->waits_since = meeting.generation;
  emulation_switch(&self->stack, scheduler);
}

template <class T>
T exchange(T a, int from_lane) {
  Meeting& meeting = warp_meeting[self->warp];
  const unsigned parity = meeting.generation & 1;  // a fast thread's next exchange leaves this one's values alone
  const int base = self->warp * kWarp;
  std::memcpy(&exchanged[parity][base + self->lane], &a, sizeof a);
  meet(meeting, kWarp);
  std::memcpy(&a, &exchanged[parity][base + from_lane], sizeof a);
  return a;
}

inline bool run_block(unsigned order) {
  block_meeting = {};
  for (Meeting& m : warp_meeting) m = {};
  for (unsigned i = 0; i < block_threads; ++i) {
    Fibre& f = fibres[i];
    f = {};
    f.thread = {i % block_size.x, i / block_size.x, 0};
    f.lane = static_cast<int>(i) % kWarp;
    f.warp = static_cast<int>(i) / kWarp;
    // What a switch pops: six registers, then where to go; a function starts 8 bytes off a multiple of 16.
    void** top = reinterpret_cast<void**>(stacks[i] + kStackBytes) - 8;
    std::memset(top, 0, 8 * sizeof(void*));
    top[6] = reinterpret_cast<void*>(&thread_main);
    f.stack = top;
  }
  for (unsigned left = block_threads; left > 0;) {
    bool moved = false;
    for (unsigned i = 0; i < block_threads; ++i) {
      // Orders 0 and 1 are forwards and backwards; others jump by a step that is prime to any number of warps.
      const unsigned step = order < 2 ? 1 : 210 * order + 1;
      const unsigned at = i * step % block_threads;
      Fibre& f = fibres[order == 1 ? block_threads - 1 - i : at];
      if (f.finished || (f.waits_for != nullptr && f.waits_for->generation == f.waits_since)) continue;
      f.waits_for = nullptr;
      self = &f;
      emulation_switch(&scheduler, f.stack);
      moved = true;
      if (f.finished) --left;
    }
    if (!moved) return false;
  }
  return true;
}

template <class Arguments>
int launch(void (*kernel)(Arguments), const Launch& l, void* shared) {
  static void (*entry)(Arguments);
  entry = kernel;
  run_thread = [](const void* parameters) { entry(*static_cast<const Arguments*>(parameters)); };
  run_parameters = l.parameters;
  block_threads = l.block_x * l.block_y;
  if (block_threads > kMostThreads || l.shared_bytes > kSharedBytes) return kTooLarge;
  block_size = {l.block_x, l.block_y, 1};
  grid_size = {l.grid, 1, 1};
  auto* bytes = static_cast<unsigned char*>(shared);
  for (unsigned b = 0; b < l.grid; ++b) {
    block_index = {b, 0, 0};
    std::memset(shared, kPoison, kSharedBytes + 64);
    if (!run_block(l.order)) return kThreadsWaitForever;
    for (unsigned long i = l.shared_bytes; i < kSharedBytes + 64; ++i)
      if (bytes[i] != kPoison) return kSharedMemoryOverrun;
  }
  return kRan;
}

}  // namespace emulation

#define threadIdx (emulation::self->thread)
#define blockIdx (emulation::block_index)
#define blockDim (emulation::block_size)
#define gridDim (emulation::grid_size)

inline void __syncthreads() { emulation::meet(emulation::block_meeting, emulation::block_threads); }
inline void __syncwarp() { emulation::meet(emulation::warp_meeting[emulation::self->warp], emulation::kWarp); }
template <class T>
T __shfl_sync(unsigned, T a, int lane) {
  return emulation::exchange(a, lane);
}
template <class T>
T __shfl_down_sync(unsigned, T a, int by) {
  const int from = emulation::self->lane + by;
  return emulation::exchange(a, from < emulation::kWarp ? from : emulation::self->lane);
}

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline int __float_as_int(float a) { return __builtin_bit_cast(int, a); }
inline float __int_as_float(int a) { return __builtin_bit_cast(float, a); }
inline long long __double_as_longlong(double a) { return __builtin_bit_cast(long long, a); }
inline double __longlong_as_double(long long a) { return __builtin_bit_cast(double, a); }
