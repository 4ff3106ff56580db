// Opens libkiln_llvm.so: static LLVM costs memory and milliseconds, so it is loaded when a kernel first needs it.
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "codegen/code_memory.h"
#include "codegen/image.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

std::string beside_this_library() {
  Dl_info here{};
  if (dladdr(reinterpret_cast<const void*>(&interpreter_backend), &here) == 0 || here.dli_fname == nullptr) return "libkiln_llvm.so";
  const std::string path = here.dli_fname;
  const size_t slash = path.rfind('/');
  return (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + "libkiln_llvm.so";
}

// Empty where the user does without.
std::string library_path() {
  const std::string path = text(Tunable::llvm);
  if (path == "off") return {};
  return path.empty() ? beside_this_library() : path;
}

struct Library {
  ImageCompiler* compiler = nullptr;
  std::string why;
};

Library open_library() {
  const std::string path = library_path();
  if (path.empty()) return {nullptr, "KILN_LLVM is off"};
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {nullptr, dlerror()};
  void* create = dlsym(library, "kiln_llvm_create");
  if (create == nullptr) return {nullptr, path + " is not Kiln's LLVM library: it has no kiln_llvm_create"};
  ImageCompiler* compiler = reinterpret_cast<ImageCompiler* (*)()>(create)();
  return {compiler, compiler ? "" : path + " does not support this machine"};
}

// The note that the linker leaves (ELF gABI, "Note Section"; GNU's NT_GNU_BUILD_ID), in hexadecimal. It lies in the file's first page.
std::string read_build_id(const std::string& path) {
  if (path.empty()) return {};
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  alignas(8) std::array<char, 4096> page{};
  const auto size = static_cast<size_t>(std::max<ssize_t>(0, pread(file, page.data(), page.size(), 0)));
  close(file);
  const auto read = [&]<class T>(size_t at, T& what) {
    if (at > size || size - at < sizeof what) return false;
    std::memcpy(&what, page.data() + at, sizeof what);
    return true;
  };
  Elf64_Ehdr header;
  if (!read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
  Elf64_Phdr segment;
  for (size_t i = 0; i < header.e_phnum && read(header.e_phoff + i * sizeof segment, segment); ++i) {
    if (segment.p_type != PT_NOTE) continue;
    size_t at = segment.p_offset;
    const size_t end = segment.p_offset + segment.p_filesz;
    for (Elf64_Nhdr note; at < end && read(at, note);) {
      const size_t name = at + sizeof note, id = name + (note.n_namesz + 3) / 4 * 4;
      if (id > size || size - id < note.n_descsz) return {};
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(page.data() + name, "GNU", 4) == 0) {
        std::string text;
        for (size_t b = 0; b < note.n_descsz; ++b)
          for (const int shift : {4, 0}) text += "0123456789abcdef"[static_cast<unsigned char>(page[id + b]) >> shift & 15];
        return text;
      }
      at = id + (note.n_descsz + 3) / 4 * 4;
    }
  }
  return {};
}

class LlvmBackend final : public Backend {
 public:
  explicit LlvmBackend(ImageCompiler& compiler) : compiler_(compiler) {}
  BackendKind kind() const override { return BackendKind::llvm; }
  std::shared_ptr<Code> compile(const Kernel& kernel, Isa isa) override {
    const auto image = compiler_.compile(kernel, isa);
    return image ? place_image(*image) : nullptr;
  }
  std::string text(const Kernel& kernel, Isa isa, std::string_view what) override { return compiler_.text(kernel, isa, what); }

 private:
  ImageCompiler& compiler_;
};

}  // namespace

ImageCompiler* llvm_library(std::string* why) {
  static const Library library = open_library();
  if (why) *why = library.why;
  return library.compiler;
}

const std::string& llvm_library_id() {
  static const std::string& id = *std::make_unique<std::string>(read_build_id(library_path())).release();
  return id;
}

Backend* llvm_backend(std::string* why) {
  ImageCompiler* compiler = llvm_library(why);
  if (compiler == nullptr) return nullptr;
  static Backend* backend = std::make_unique<LlvmBackend>(*compiler).release();  // code may outlive static objects
  return backend;
}

std::shared_ptr<Code> place_image(const CodeImage& image) {
  return std::make_shared<MachineCode>(BackendKind::llvm, place_code(image.bytes));
}

}  // namespace kiln::codegen
