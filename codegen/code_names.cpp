// gdb: "JIT Compilation Interface" of its manual. It looks for two symbols by name, reads a list of symbol files from memory, and stops in
// the function when the list changes. A symbol file is the least ELF there is: where .text is, and one function in it.
#include "codegen/code_names.h"

#include <elf.h>
#include <pthread.h>

#include <array>
#include <cctype>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include "codegen/perf_names.h"

extern "C" {

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  uint64_t symfile_size;
};

struct jit_descriptor {
  uint32_t version;
  uint32_t action_flag;
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

// Exported under these names (cmake/exports.map), for they have to be found in a stripped library too.
__attribute__((visibility("default"))) jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};
__attribute__((visibility("default"), noinline)) void __jit_debug_register_code() { asm volatile("" ::: "memory"); }
}

namespace kiln::codegen {
namespace {

constexpr uint32_t kRegister = 1, kUnregister = 2;
constexpr size_t kLongest = 80;  // characters of a name before its hash

std::mutex mutex;
const int fork_handlers = pthread_atfork([] { mutex.lock(); },  //
                                         [] { mutex.unlock(); },
                                         [] {
                                           perf::start_again();
                                           mutex.unlock();
                                         });

// Text that can be part of a symbol: letters, digits and single underscores.
std::string symbol_part(std::string_view text) {
  std::string part;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain) part += c;
    else if (!part.empty() && part.back() != '_') part += '_';
  }
  if (part.size() > kLongest) part.resize(part.rfind('_', kLongest));
  while (!part.empty() && part.back() == '_') part.pop_back();
  return part;
}

// Each kind of primitive once, in order of appearance.
std::string primitives(const Kernel& kernel) {
  std::string text;
  std::set<std::pair<NodeKind, Prim>> seen;
  for (const Node& n : kernel.nodes) {
    if (n.kind != NodeKind::primitive && n.kind != NodeKind::reduce) continue;
    if (!seen.emplace(n.kind, n.prim).second) continue;
    text += (n.kind == NodeKind::reduce ? " reduce_" : " ") + std::string(info(n.prim).name);
  }
  return text.empty() ? "copy" : text;
}

class SymbolFile {
 public:
  SymbolFile(const Code& code, const std::string& name) {
    constexpr char kSectionNames[] = "\0.text\0.symtab\0.strtab\0.shstrtab";
    enum : uint32_t { null, text, symbols, strings, section_names, sections };
    const auto address = reinterpret_cast<Elf64_Addr>(code.function);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;  // addresses are what they say
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_ehsize = sizeof header;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = sections;
    header.e_shstrndx = section_names;
    header.e_shoff = sizeof header;
    const std::array<Elf64_Sym, 2> table{
        Elf64_Sym{},
        Elf64_Sym{
            .st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = text, .st_value = address, .st_size = code.bytes}};
    const std::string names = '\0' + name + '\0';

    Elf64_Shdr all[sections] = {};
    size_t at = sizeof header + sizeof all;
    const auto place = [&](uint32_t section, uint32_t section_name, uint32_t type, size_t size) {
      all[section].sh_name = section_name;
      all[section].sh_type = type;
      all[section].sh_offset = at;
      all[section].sh_size = size;
      all[section].sh_addralign = 1;
      if (type != SHT_NOBITS) at += size;
    };
    place(text, 1, SHT_NOBITS, code.bytes);
    all[text].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
    all[text].sh_addr = address;
    place(symbols, 7, SHT_SYMTAB, sizeof table);
    all[symbols].sh_link = strings;
    all[symbols].sh_info = 1;  // the first global one
    all[symbols].sh_entsize = sizeof(Elf64_Sym);
    place(strings, 15, SHT_STRTAB, names.size());
    place(section_names, 23, SHT_STRTAB, sizeof kSectionNames);

    bytes_.reserve(at);
    const auto append = [&](const void* from, size_t n) { bytes_.append(static_cast<const char*>(from), n); };
    append(&header, sizeof header);
    append(all, sizeof all);
    append(table.data(), sizeof table);
    append(names.data(), names.size());
    append(kSectionNames, sizeof kSectionNames);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace

struct Announcement::Entry {
  Entry(const Code& code, const std::string& name) : file(code, name) {}
  SymbolFile file;
  jit_code_entry listed{};
};

std::string name_of(const Kernel& kernel, uint64_t hash, std::string_view what) {
  std::string part = symbol_part(what);
  if (part.empty()) part = symbol_part(primitives(kernel));
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return "kiln_" + part + "_" + digits;
}

Announcement::Announcement(const Code& code, const std::string& name) {
  if (code.bytes == 0) return;
  entry_ = std::make_unique<Entry>(code, name);
  const std::lock_guard lock(mutex);
  perf::tell(code, name);  // first: it may throw
  jit_code_entry& e = entry_->listed;
  e.symfile_addr = entry_->file.bytes().data();
  e.symfile_size = entry_->file.bytes().size();
  e.next_entry = __jit_debug_descriptor.first_entry;
  if (e.next_entry != nullptr) e.next_entry->prev_entry = &e;
  __jit_debug_descriptor.first_entry = &e;
  __jit_debug_descriptor.relevant_entry = &e;
  __jit_debug_descriptor.action_flag = kRegister;
  __jit_debug_register_code();
}

Announcement::~Announcement() {
  if (!entry_) return;
  const std::lock_guard lock(mutex);
  jit_code_entry& e = entry_->listed;
  (e.prev_entry != nullptr ? e.prev_entry->next_entry : __jit_debug_descriptor.first_entry) = e.next_entry;
  if (e.next_entry != nullptr) e.next_entry->prev_entry = e.prev_entry;
  __jit_debug_descriptor.relevant_entry = &e;
  __jit_debug_descriptor.action_flag = kUnregister;
  __jit_debug_register_code();
}

Announcement::Announcement(Announcement&&) noexcept = default;

}  // namespace kiln::codegen
