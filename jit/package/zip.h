// The archive around a .kiln file's members: a zip (PKWARE's APPNOTE 6.3), always zip64, members stored and their bytes on multiples of 64.
//
// Own code, because a general reader accepts a great deal that no .kiln file has (comments, other methods, overlaps, gaps, entries that
// contradict their headers), and none aligns or maps. Here every byte outside the members follows from their names, sizes and checksums:
// one function says what they are, the writer writes them, and the reader compares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kiln::jit::package {

using Bytes = std::span<const std::byte>;

struct Member {
  std::string name;  // printable ASCII without slashes
  uint64_t size = 0;
  uint32_t crc = 0;  // of its bytes: crc32()
};

// Where everything stands, as a function of the members in their order.
class ZipLayout {
 public:
  explicit ZipLayout(std::vector<Member> members);  // sizes below 2^48, at most kMaxMembers
  const std::vector<Member>& members() const { return members_; }
  uint64_t offset(size_t member) const { return offsets_[member]; }  // of its bytes
  std::string header(size_t member) const;                           // what stands before them; nothing stands after
  std::string directory() const;                                     // what stands behind the last member
  uint64_t directory_offset() const { return directory_offset_; }

 private:
  std::vector<Member> members_;
  std::vector<uint64_t> headers_, offsets_;
  uint64_t directory_offset_ = 0;
};

inline constexpr size_t kMemberAlignment = 64;
inline constexpr size_t kMaxMembers = 64, kMaxMemberName = 64;

uint32_t crc32(Bytes, uint32_t so_far = 0);

// The members of an archive that has exactly the bytes the writer gives it; Error{io} for any other. Members' own bytes are not looked at.
ZipLayout read_zip(Bytes file);

inline Bytes member_bytes(Bytes file, const ZipLayout& zip, size_t member) {
  return file.subspan(zip.offset(member), zip.members()[member].size);
}
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace kiln::jit::package
