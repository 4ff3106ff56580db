#include "jit/package/zip.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "codegen/error.h"

namespace kiln::jit::package {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50, kEnd = 0x06054b50;
constexpr uint16_t kVersion = 45;                                   // needed to extract: zip64
constexpr uint16_t kDate = 1 << 5 | 1;                              // 1980-01-01, the first there is: equal packages are equal files
constexpr uint16_t kZip64Field = 0x0001, kAlignmentField = 0xd935;  // the latter as Android's zipalign has it: alignment, then zeros
constexpr size_t kLocalSize = 30, kCentralSize = 46, kEnd64Size = 56, kLocatorSize = 20, kEndSize = 22;
constexpr size_t kLocalZip64 = 4 + 16, kCentralZip64 = 4 + 24, kAlignmentLeast = 4 + 2;

// Little-endian fields, one after another.
class Fields {
 public:
  Fields& u16(uint64_t v) { return put(v, 2); }
  Fields& u32(uint64_t v) { return put(v, 4); }
  Fields& u64(uint64_t v) { return put(v, 8); }
  Fields& text(std::string_view s) {
    out_ += s;
    return *this;
  }
  std::string take() { return std::move(out_); }

 private:
  Fields& put(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(v >> (8 * i));
    return *this;
  }
  std::string out_;
};

uint64_t field(Bytes bytes, size_t at, int count) {
  uint64_t v = 0;
  for (int i = count; i-- > 0;) v = v << 8 | static_cast<uint64_t>(bytes[at + static_cast<size_t>(i)]);
  return v;
}

uint64_t header_size(const Member& m, uint64_t at) {
  const uint64_t least = kLocalSize + m.name.size() + kLocalZip64 + kAlignmentLeast;
  return (at + least + kMemberAlignment - 1) / kMemberAlignment * kMemberAlignment - at;
}

// CRC-32 as in ISO 3309 (reflected, polynomial 0x04c11db7), eight bytes a step: table k holds the effect of a byte with k more behind it.
constexpr auto kCrcTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t i = 0; i < 256; ++i) tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xff];
  return tables;
}();

}  // namespace

uint32_t crc32(Bytes bytes, uint32_t so_far) {
  uint32_t crc = ~so_far;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t v;
    std::memcpy(&v, bytes.data() + i, 8);
    v ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kCrcTables[7 - k][v >> (8 * k) & 0xff];
  }
  for (; i < bytes.size(); ++i) crc = crc >> 8 ^ kCrcTables[0][(crc ^ static_cast<uint32_t>(bytes[i])) & 0xff];
  return ~crc;
}

// ---- layout -----------------------------------------------------------------------------------------------------------

ZipLayout::ZipLayout(std::vector<Member> members) : members_(std::move(members)) {
  uint64_t at = 0;
  for (const Member& m : members_) {
    headers_.push_back(at);
    at += header_size(m, at);
    offsets_.push_back(at);
    at += m.size;
  }
  directory_offset_ = at;
}

std::string ZipLayout::header(size_t i) const {
  const Member& m = members_[i];
  const uint64_t extra = offsets_[i] - headers_[i] - kLocalSize - m.name.size();
  Fields f;
  f.u32(kLocalHeader).u16(kVersion).u16(0 /* flags */).u16(0 /* stored */).u16(0 /* time */).u16(kDate).u32(m.crc);
  f.u32(0xffffffff).u32(0xffffffff).u16(m.name.size()).u16(extra).text(m.name);
  f.u16(kZip64Field).u16(kLocalZip64 - 4).u64(m.size).u64(m.size);
  f.u16(kAlignmentField).u16(extra - kLocalZip64 - 4).u16(kMemberAlignment);
  f.text(std::string(extra - kLocalZip64 - kAlignmentLeast, '\0'));
  return f.take();
}

std::string ZipLayout::directory() const {
  Fields f;
  uint64_t size = 0;
  for (size_t i = 0; i < members_.size(); ++i) {
    const Member& m = members_[i];
    f.u32(kCentralHeader).u16(kVersion).u16(kVersion).u16(0 /* flags */).u16(0 /* stored */).u16(0 /* time */).u16(kDate).u32(m.crc);
    f.u32(0xffffffff).u32(0xffffffff).u16(m.name.size()).u16(kCentralZip64).u16(0 /* comment */).u16(0 /* disk */);
    f.u16(0).u32(0) /* attributes */.u32(0xffffffff).text(m.name);
    f.u16(kZip64Field).u16(kCentralZip64 - 4).u64(m.size).u64(m.size).u64(headers_[i]);
    size += kCentralSize + m.name.size() + kCentralZip64;
  }
  const uint64_t n = members_.size();
  f.u32(kEnd64).u64(kEnd64Size - 12).u16(kVersion).u16(kVersion).u32(0).u32(0).u64(n).u64(n).u64(size).u64(directory_offset_);
  f.u32(kEnd64Locator).u32(0).u64(directory_offset_ + size).u32(1);
  f.u32(kEnd).u16(0).u16(0).u16(n).u16(n).u32(0xffffffff).u32(0xffffffff).u16(0 /* comment */);
  return f.take();
}

// ---- reading ----------------------------------------------------------------------------------------------------------

namespace {

[[noreturn]] void corrupt(const std::string& what) { fail(ErrorCode::io, what); }

bool printable(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != '\\'; });
}

// Names, sizes and checksums from the directory; that the rest of it is right is found out by comparing.
std::vector<Member> read_directory(Bytes file) {
  constexpr size_t kTail = kEnd64Size + kLocatorSize + kEndSize;
  const bool begins = file.size() >= 4 && field(file, 0, 4) == kLocalHeader;
  if (file.size() < kTail || field(file, file.size() - kEndSize, 4) != kEnd)
    corrupt(begins ? "the archive's end is missing: the file was truncated, or bytes were added to it" : "this is not a .kiln file");
  const Bytes tail = file.last(kTail);
  const uint64_t count = field(tail, kEnd64Size + kLocatorSize + 10, 2);
  uint64_t at = field(tail, 48, 8);
  const uint64_t end = file.size() - kTail;
  if (field(tail, 0, 4) != kEnd64 || count == 0 || count > kMaxMembers || at > end)
    corrupt(begins ? "the archive's end record is corrupt" : "this is not a .kiln file");
  std::vector<Member> members(count);
  for (Member& m : members) {
    const uint64_t name = end - at < kCentralSize ? kMaxMemberName + 1 : field(file, at + 28, 2);
    if (name == 0 || name > kMaxMemberName || end - at < kCentralSize + name + kCentralZip64)
      corrupt("the archive's directory is corrupt at byte " + std::to_string(at));
    m.name = as_text(file.subspan(at + kCentralSize, name));
    m.crc = static_cast<uint32_t>(field(file, at + 16, 4));
    m.size = field(file, at + kCentralSize + name + 4, 8);
    if (!printable(m.name)) corrupt("a member's name is not printable ASCII without slashes");
    if (m.size > file.size()) corrupt(m.name + " is said to be " + std::to_string(m.size) + " bytes long, longer than the file");
    for (const Member* other = members.data(); other != &m; ++other)
      if (other->name == m.name) corrupt("two members are called " + m.name);
    at += kCentralSize + name + kCentralZip64;
  }
  return members;
}

void compare(Bytes file, uint64_t at, const std::string& expected, const std::string& what) {
  if (at > file.size() || file.size() - at < expected.size())
    corrupt(what + " does not fit into the file: it was truncated, or is corrupt");
  const std::string_view found = as_text(file.subspan(at, expected.size()));
  const auto [e, f] = std::mismatch(expected.begin(), expected.end(), found.begin());
  if (e == expected.end()) return;
  corrupt(what + " is corrupt: byte " + std::to_string(at + static_cast<uint64_t>(e - expected.begin())) + " is " +
          std::to_string(static_cast<unsigned char>(*f)) + ", expected " + std::to_string(static_cast<unsigned char>(*e)));
}

}  // namespace

ZipLayout read_zip(Bytes file) {
  ZipLayout zip(read_directory(file));
  for (size_t i = 0; i < zip.members().size(); ++i) {
    const std::string header = zip.header(i);
    compare(file, zip.offset(i) - header.size(), header, "the archive's header of " + zip.members()[i].name);
  }
  const std::string directory = zip.directory();
  compare(file, zip.directory_offset(), directory, "the archive's directory");
  if (zip.directory_offset() + directory.size() != file.size()) corrupt("the archive's directory is not where the members end");
  return zip;
}

}  // namespace kiln::jit::package
