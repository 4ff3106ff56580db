// A file in memory, privately: writes to the mapping stay in this process.
#pragma once

#include <string>

#include "jit/package/zip.h"

namespace kiln::jit::package {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // Error{io}
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  Bytes bytes() const { return {data_, size_}; }
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace kiln::jit::package
