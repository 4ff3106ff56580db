// Errors: one hierarchy for the whole library. A front end maps each code to its own exception type in one table. C++ programs include this
// file as <kiln/error.h>.
#pragma once

#include <stdexcept>
#include <string>

namespace kiln {

enum class ErrorCode : unsigned char {
  value,            // a value, shape or range that does not fit      (ValueError)
  type,             // a wrong dtype or kind of argument              (TypeError)
  index,            // an index or axis out of range                  (IndexError)
  memory,           // an allocation failed                           (MemoryError)
  runtime,          // an operation that the present state forbids    (RuntimeError)
  not_implemented,  // a known gap                                    (NotImplementedError)
  io,               // a file is missing, truncated or foreign        (OSError)
  internal,         // a bug in Kiln                                  (RuntimeError)
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace kiln
