// From LLVM's relocatable object to an image: sections one after the other, their references to each other resolved.
//
// A kernel calls nothing and has no data that is written, so all that a linker has to do is add up distances. That takes microseconds, and
// what comes out needs no linker any more: an image from the disk cache runs as it is, without LLVM in the process.
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "codegen/error.h"
#include "codegen/llvm/emit.h"

namespace kiln::codegen::llvm_ir {
namespace {

class Linker {
 public:
  explicit Linker(std::string_view object) : object_(object) {
    const auto header = at<Elf64_Ehdr>(0, 1)[0];
    sections_ = at<Elf64_Shdr>(header.e_shoff, header.e_shnum);
    offsets_.resize(sections_.size());
  }

  bool link() {
    for (const bool code : {true, false})  // code first: the entry
      for (size_t i = 0; i < sections_.size(); ++i)
        if (!place(i, code)) return false;
    return std::ranges::all_of(sections_, [&](const Elf64_Shdr& s) { return s.sh_type != SHT_RELA || resolve(s); });
  }
  CodeImage take() { return {std::move(bytes_)}; }

 private:
  // A table of the object; LLVM has just written it, and aligned what is in it.
  template <class T>
  std::span<const T> at(size_t offset, size_t count) const {
    check(offset <= object_.size() && count <= (object_.size() - offset) / sizeof(T), "LLVM has written half an object");
    return {reinterpret_cast<const T*>(object_.data() + offset), count};
  }

  // False for what an image cannot hold.
  bool place(size_t index, bool code) {
    const Elf64_Shdr& section = sections_[index];
    if (!(section.sh_flags & SHF_ALLOC) || ((section.sh_flags & SHF_EXECINSTR) != 0) != code) return true;
    if (section.sh_type != SHT_PROGBITS || (section.sh_flags & SHF_WRITE)) return false;
    const size_t alignment = std::max<size_t>(1, section.sh_addralign);
    if (alignment > kImageAlignment) return false;
    const auto contents = at<std::byte>(section.sh_offset, section.sh_size);
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    offsets_[index] = bytes_.size();
    bytes_.insert(bytes_.end(), contents.begin(), contents.end());
    return true;
  }

  bool resolve(const Elf64_Shdr& list) {
    const std::optional<size_t>& target = offsets_[list.sh_info];
    if (!target) return true;  // of a section that is left out
    const Elf64_Shdr& table = sections_[list.sh_link];
    const auto symbols = at<Elf64_Sym>(table.sh_offset, table.sh_size / sizeof(Elf64_Sym));
    for (const Elf64_Rela& reference : at<Elf64_Rela>(list.sh_offset, list.sh_size / sizeof(Elf64_Rela))) {
      const uint64_t type = ELF64_R_TYPE(reference.r_info);
      if (type != R_X86_64_PC32 && type != R_X86_64_PLT32) return false;
      const Elf64_Sym& symbol = symbols[ELF64_R_SYM(reference.r_info)];
      if (symbol.st_shndx >= offsets_.size() || !offsets_[symbol.st_shndx]) return false;
      const size_t place = *target + reference.r_offset;
      const auto distance =
          static_cast<int32_t>(*offsets_[symbol.st_shndx] + symbol.st_value + static_cast<size_t>(reference.r_addend) - place);
      std::memcpy(bytes_.data() + place, &distance, sizeof distance);
    }
    return true;
  }

  const std::string_view object_;
  std::span<const Elf64_Shdr> sections_;
  std::vector<std::optional<size_t>> offsets_;  // [section] in the image; none for those that are not in it
  std::vector<std::byte> bytes_;
};

}  // namespace

std::optional<CodeImage> image_of(std::string_view object) {
  Linker linker(object);
  if (!linker.link()) return std::nullopt;
  return linker.take();
}

}  // namespace kiln::codegen::llvm_ir
