// What recorders have in common under which a function runs on tensors that have types but no values: whatever needs a value is an error
// that names the reason and the user's line, and nothing is computed.
#pragma once

#include <optional>
#include <unordered_map>

#include "eager/dispatch.h"

namespace kiln::tracer {

class ValuelessRecorder : public eager::Recorder, public eager::CallObserver {
 public:
  ~ValuelessRecorder() override;  // stops, and gives back the storages it claimed

  // Between the two, this thread's operator calls come here. What it has deferred stays so.
  virtual void start();
  virtual void stop();

  // The error of the first thing that could not be recorded, also if the function swallowed the exception. Empty: none.
  const std::string& failure() const { return failure_; }
  bool types_only() const override { return true; }

 protected:
  using Number = uint32_t;  // of a value: a tensor as the function sees it, whatever handle it is seen through

  bool is_recording() const { return recording_; }

  eager::Tensor placeholder(const eager::TensorType&);
  void claim(eager::Storage&);  // from here on a look at the storage's bytes is a flush, which is an error
  [[noreturn]] void refuse(std::string why);

  std::optional<Number> number_of(const eager::Tensor&) const;
  void know(const eager::Tensor&, Number);
  bool knows(const eager::Storage& s) const { return storages_.contains(&s); }
  void renumber(std::span<const Number> by_old_number);

  static std::string line();     // the user's, without folders, which are nobody's business where a recording goes: "train.py:12", or empty
  static std::string at_line();  // "train.py:12: ", or empty
  static std::string in_line();  // " (train.py:12)", or empty

 private:
  struct Window {
    int64_t offset;
    eager::Dims shape, strides;
    DType dtype;
    Number number;
  };
  struct Known {
    eager::Ref<eager::Storage> storage;  // kept, so that no other takes its address
    std::vector<Window> windows;         // tensors seen on it
  };
  std::unordered_map<const eager::Storage*, Known> storages_;
  std::vector<eager::Ref<eager::Storage>> claimed_;
  std::string failure_;
  bool recording_ = false;
  eager::Recorder* recorder_before_ = nullptr;
  eager::CallObserver* observer_before_ = nullptr;
};

}  // namespace kiln::tracer
