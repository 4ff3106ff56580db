// weights.safetensors: the state's bytes, in the format of that name, so that others can read them.
//
// The header is a function of the state's names, dtypes and shapes, which graph.json has; reading it is comparing.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "eager/tensor.h"

namespace kiln::jit::package {

struct StateType {
  std::string name;
  DType dtype = DType::F32;
  eager::Dims shape;
  uint64_t bytes() const;  // Error{value} where there are too many
};

class WeightsLayout {
 public:
  explicit WeightsLayout(const std::vector<StateType>&);                          // kept by reference
  std::string header() const;                                                     // stands before the first tensor's bytes
  bool begins(std::string_view member) const;                                     // with this header?
  uint64_t offset(size_t entry) const { return header_size_ + offsets_[entry]; }  // in the member, of a multiple of the elements' size
  uint64_t size() const { return header_size_ + data_size_; }
  const std::vector<uint32_t>& order() const {
    return order_;
  }  // entries as their bytes stand: wide elements first, so that all are aligned

 private:
  std::string line(size_t entry) const;                                  // of the header's table
  void pieces(const std::function<bool(std::string_view)>& each) const;  // of the header, until it says false
  const std::vector<StateType>& state_;
  std::vector<uint32_t> order_;
  std::vector<uint64_t> offsets_;
  uint64_t header_size_ = 0, data_size_ = 0;
};

}  // namespace kiln::jit::package
