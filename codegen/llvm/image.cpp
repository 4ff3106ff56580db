// From LLVM's relocatable object to an image: sections one after the other, their references to each other resolved.
//
// A kernel calls nothing and has no data that is written, so all that a linker has to do is add up distances. That takes microseconds, and
// what comes out needs no linker any more: an image from the disk cache runs as it is, without LLVM in the process.
#include <cstring>

#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/Alignment.h>

#include "codegen/llvm/emit.h"

namespace kiln::codegen::llvm_ir {
namespace {

using Elf = llvm::object::ELF64LE;

class Linker {
 public:
  explicit Linker(const llvm::object::ELFFile<Elf>& elf) : elf_(elf), sections_(llvm::cantFail(elf.sections())) {}

  bool link() {
    offsets_.resize(sections_.size());
    for (bool code : {true, false})  // code first: the entry
      for (size_t i = 0; i < sections_.size(); ++i)
        if (!place(i, code)) return false;
    for (const Elf::Shdr& section : sections_)
      if (section.sh_type == llvm::ELF::SHT_RELA && !resolve(section)) return false;
    return true;
  }
  CodeImage take() { return {std::move(bytes_)}; }

 private:
  // False for what an image cannot hold.
  bool place(size_t index, bool code) {
    const Elf::Shdr& section = sections_[index];
    if (!(section.sh_flags & llvm::ELF::SHF_ALLOC) || ((section.sh_flags & llvm::ELF::SHF_EXECINSTR) != 0) != code) return true;
    if (section.sh_type != llvm::ELF::SHT_PROGBITS || (section.sh_flags & llvm::ELF::SHF_WRITE)) return false;
    if (section.sh_addralign > kImageAlignment) return false;
    const auto contents = llvm::cantFail(elf_.getSectionContents(section));
    bytes_.resize(llvm::alignTo(bytes_.size(), std::max<uint64_t>(1, section.sh_addralign)));
    offsets_[index] = bytes_.size();
    bytes_.resize(bytes_.size() + contents.size());
    if (!contents.empty()) std::memcpy(bytes_.data() + *offsets_[index], contents.data(), contents.size());
    return true;
  }

  bool resolve(const Elf::Shdr& list) {
    const std::optional<size_t>& target = offsets_[list.sh_info];
    if (!target) return true;  // of a section that is left out
    const Elf::Shdr* symbols = llvm::cantFail(elf_.getSection(list.sh_link));
    for (const Elf::Rela& reference : llvm::cantFail(elf_.relas(list))) {
      const uint32_t type = reference.getType(false);
      if (type != llvm::ELF::R_X86_64_PC32 && type != llvm::ELF::R_X86_64_PLT32) return false;
      const Elf::Sym* symbol = llvm::cantFail(elf_.getEntry<Elf::Sym>(*symbols, reference.getSymbol(false)));
      if (symbol->st_shndx >= offsets_.size() || !offsets_[symbol->st_shndx]) return false;
      const size_t at = *target + reference.r_offset;
      const auto distance = static_cast<int32_t>(*offsets_[symbol->st_shndx] + symbol->st_value + reference.r_addend - at);
      std::memcpy(bytes_.data() + at, &distance, sizeof distance);
    }
    return true;
  }

  const llvm::object::ELFFile<Elf>& elf_;
  const llvm::ArrayRef<Elf::Shdr> sections_;
  std::vector<std::optional<size_t>> offsets_;  // [section] in the image; none for those that are not in it
  std::vector<std::byte> bytes_;
};

}  // namespace

std::optional<CodeImage> image_of(std::string_view object) {
  const auto elf = llvm::cantFail(llvm::object::ELFFile<Elf>::create({object.data(), object.size()}));
  Linker linker(elf);
  if (!linker.link()) return std::nullopt;
  return linker.take();
}

}  // namespace kiln::codegen::llvm_ir
