#include "codegen/backend.h"
#include "codegen/error.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

bool has_avx512() {  // what x86-64-v4 says, with the system's leave to use its registers
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

Isa choose() {
  const std::string asked = text(Tunable::isa);
  if (asked.empty()) return has_avx512() ? Isa::avx512 : Isa::avx2;
  if (asked == "avx2") return Isa::avx2;
  if (asked != "avx512") fail(ErrorCode::value, "KILN_ISA is '" + asked + "', which is not avx2 or avx512");
  if (!has_avx512()) fail(ErrorCode::value, "KILN_ISA is avx512, which this machine does not have");
  return Isa::avx512;
}

}  // namespace

Isa isa() {
  static const Isa chosen = choose();
  return chosen;
}

}  // namespace kiln::codegen
