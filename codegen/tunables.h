// Everything a user can set from outside, in one table: its name in kn.config, its environment variable, default and meaning.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace kiln::codegen {

// clang-format off
enum class Tunable : uint8_t {
  backend, isa, num_threads, llvm, dnnl, nvrtc, parallel_work, tier_up_launches, tier_up_work, spin_microseconds, cache_mb,
  disk_cache_mb, cache_dir, cached_bytes, perf, profile, auto_on,
  auto_rounds, verify, fail_on_recompile, measure_ways,
};
// clang-format on

struct TunableInfo {
  Tunable tunable;
  std::string_view name;
  const char* variable;
  bool is_integer;      // else a text; its default is empty
  int64_t initial;      // integers: the default, -1 where it depends on the machine
  int64_t least, most;  // integers
  std::string_view doc;
};

inline constexpr std::array kTunables = {
    TunableInfo{Tunable::backend, "backend", "KILN_BACKEND", false, 0, 0, 0,
                "auto, interpreter, asmjit or llvm: what runs kernels. Contractions are not affected."},
    TunableInfo{Tunable::isa, "isa", "KILN_ISA", false, 0, 0, 0,
                "avx2 or avx512: the vector instructions to use; by default the widest there are."},
    TunableInfo{Tunable::num_threads, "num_threads", "KILN_NUM_THREADS", true, -1, 1, 4096,
                "Threads that run kernels, the caller included; by default all CPUs of the process."},
    TunableInfo{Tunable::llvm, "llvm", "KILN_LLVM", false, 0, 0, 0,
                "Path of libkiln_llvm.so; by default beside libkiln.so. `off` does without LLVM."},
    TunableInfo{Tunable::dnnl, "dnnl", "KILN_DNNL", false, 0, 0, 0,
                "Path of libdnnl.so; by default where the Python package put it, else beside libkiln.so or where the loader looks."},
    TunableInfo{Tunable::nvrtc, "nvrtc", "KILN_NVRTC", false, 0, 0, 0,
                "Path of libnvrtc.so, which compiles CUDA source; by default where the Python package put it."},
    TunableInfo{Tunable::parallel_work, "parallel_work", "KILN_PARALLEL_WORK", true, 1 << 18, 1, int64_t{1} << 62,
                "A launch of fewer elements, times operations on each, runs on the calling thread (a few microseconds of work)."},
    TunableInfo{Tunable::tier_up_launches, "tier_up_launches", "KILN_TIER_UP_LAUNCHES", true, 1000, 0, int64_t{1} << 62,
                "A kernel goes to LLVM after this many launches; large launches count for more (tier_up_work). 0: at once."},
    TunableInfo{Tunable::tier_up_work, "tier_up_work", "KILN_TIER_UP_WORK", true, 1 << 18, 1, int64_t{1} << 62,
                "Elements, times operations on each, that count as one more launch of a kernel."},
    // A training step's Python runs that long between two programs; waking a worker takes 10 of them.
    TunableInfo{Tunable::spin_microseconds, "spin_microseconds", "KILN_SPIN_MICROSECONDS", true, 200, 0, 1'000'000,
                "How long an idle worker looks for work before it sleeps."},
    TunableInfo{Tunable::cache_mb, "cache_mb", "KILN_CACHE_MB", true, 512, 0, 1 << 20,
                "Mebibytes of freed memory kept for reuse, at most; less where less was ever in use."},
    TunableInfo{Tunable::disk_cache_mb, "disk_cache_mb", "KILN_DISK_CACHE_MB", true, 256, 0, 1 << 20,
                "Mebibytes of LLVM's code kept on disk, at most; what was not used for longest goes first. 0: none is kept or read."},
    TunableInfo{Tunable::cache_dir, "cache_dir", "KILN_CACHE_DIR", false, 0, 0, 0,
                "Folder of the disk cache; by default $XDG_CACHE_HOME/kiln, else ~/.cache/kiln."},
    TunableInfo{Tunable::cached_bytes, "cached_bytes", "KILN_CACHED_BYTES", true, 256 << 10, 0, int64_t{1} << 62,
                "Fewer bytes of temporaries stay in the cache: for their sake no kernel is cut and no order of steps looked for."},
    TunableInfo{Tunable::perf, "perf", "KILN_PERF", false, 0, 0, 0,
                "map or jitdump: tells `perf` the kernels' names, by /tmp/perf-PID.map or by a jit-PID.dump for `perf inject --jit`."},
    TunableInfo{Tunable::profile, "profile", "KILN_PROFILE", true, 0, 0, 1,
                "1: captured functions measure each step of their programs, and explain() tells the times."},
    TunableInfo{Tunable::auto_on, "auto", "KILN_AUTO", true, 0, 0, 1, "1: as if the program began with kn.auto()."},
    TunableInfo{Tunable::auto_rounds, "auto_rounds", "KILN_AUTO_ROUNDS", true, 8, 0, 1 << 20,
                "kn.auto() times a hot loop for this many rounds before its operators are deferred. 0: all are, hot or not."},
    TunableInfo{Tunable::verify, "verify", "KILN_VERIFY", true, 0, 0, 1,
                "1: calls that run without Python are run in Python too, and a difference in anything is an error that names it."},
    TunableInfo{Tunable::fail_on_recompile, "fail_on_recompile", "KILN_FAIL_ON_RECOMPILE", true, 0, 0, 1,
                "1: where a captured function would be recorded again, an error names what had changed."},
    TunableInfo{Tunable::measure_ways, "measure_ways", "KILN_MEASURE_WAYS", true, 1, 0, 1,
                "0: no captured function times its calls to run in the way that takes least: by replay, in segments or undeferred."},
};

static_assert(
    [] {
      for (size_t i = 0; i < kTunables.size(); ++i)
        if (static_cast<size_t>(kTunables[i].tunable) != i) return false;
      return true;
    }(),
    "kTunables is in the order of Tunable");

constexpr const TunableInfo& info(Tunable t) { return kTunables[static_cast<size_t>(t)]; }

// An integer's present value: as set, else the environment's, else the default. Throws Error{value} if the variable makes no sense.
int64_t value(Tunable);
void set_value(Tunable, int64_t);

// A text's value in the environment, empty where it is not set.
std::string text(Tunable);

}  // namespace kiln::codegen
