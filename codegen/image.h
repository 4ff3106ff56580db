// Machine code of one kernel that has no place yet, and who makes it: the form in which LLVM's code reaches this library and the disk.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/backend.h"

namespace kiln::codegen {

// Runs wherever it is copied to, on a boundary of kImageAlignment: instructions and constants in one piece that refers to nothing outside
// of it. The kernel's entry is the first byte.
struct CodeImage {
  std::vector<std::byte> bytes;
};
inline constexpr size_t kImageAlignment = 64;

// What libkiln_llvm.so offers.
class ImageCompiler {
 public:
  virtual ~ImageCompiler() = default;
  // nullopt where the code would need something outside of itself. Thread-safe. Throws only Error{memory}.
  virtual std::optional<CodeImage> compile(const Kernel&, Isa) = 0;
  // As Backend::text.
  virtual std::string text(const Kernel&, Isa, std::string_view what) = 0;
};

// The library (beside libkiln.so, or KILN_LLVM), opened on first use; nullptr where it is absent, with the reason in *why.
ImageCompiler* llvm_library(std::string* why = nullptr);
// What tells that library from any other, read from the file without opening it: its linker's build id. Empty where there is none.
const std::string& llvm_library_id();

// Copies an image to where it can run, as code of the LLVM back end. Throws Error{memory}.
std::shared_ptr<Code> place_image(const CodeImage&);

}  // namespace kiln::codegen
