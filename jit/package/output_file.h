// A file that is written whole or not at all: into a temporary beside it, which takes its name when everything is on the disk.
#pragma once

#include <span>
#include <string>

namespace kiln::jit::package {

class OutputFile {
 public:
  explicit OutputFile(const std::string& path);  // Error{io} from all of these
  ~OutputFile();                                 // without commit(): removes the temporary
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(std::span<const std::byte>);
  void write(const std::string& bytes) { write(std::as_bytes(std::span(bytes))); }
  void commit();

 private:
  std::string path_, temporary_;
  int file_ = -1;
};

}  // namespace kiln::jit::package
