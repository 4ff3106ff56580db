// NVIDIA's driver, as far as this version goes: whether one is there.
#pragma once

#include <string>

namespace kiln::codegen::cuda {

// Throws Error{runtime} that says what is missing on this machine (the driver, a device), or Error{not_implemented} where nothing is, as
// there is no CUDA runtime yet. `what` opens the message: "asarray(device='cuda')".
[[noreturn]] void refuse_device(const std::string& what);

}  // namespace kiln::codegen::cuda
