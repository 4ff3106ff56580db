// XXH3, 128 bits: what a manifest says of a member's bytes, and a file of the disk cache of its own. Finds damage; it is no signature.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace kiln::codegen {

class Hasher {
 public:
  Hasher();
  ~Hasher();
  void update(std::span<const std::byte>);
  std::string hex() const;  // of all bytes so far: 32 digits, in the canonical order

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hash_of(std::span<const std::byte>);

}  // namespace kiln::codegen
