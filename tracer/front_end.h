// What the tracer asks of the language above it. A front end installs its answers once; without one they are empty.
#pragma once

#include <string>

namespace kiln::tracer {

struct FrontEnd {
  std::string (*source_location)() = nullptr;  // "file.py:12" of the user's line now running
  void* (*unlock)() = nullptr;                 // gives up the language's global lock if this thread holds it; the token goes to relock()
  void (*relock)(void* token) = nullptr;
};
void install_front_end(const FrontEnd&);
const FrontEnd& front_end();

// Without the language's lock while it lives: around work worth the switch, and before waiting for another thread.
class Unlocked {
 public:
  explicit Unlocked(bool wanted = true) : token_(wanted && front_end().unlock ? front_end().unlock() : nullptr) {}
  ~Unlocked() {
    if (token_) front_end().relock(token_);
  }
  Unlocked(const Unlocked&) = delete;

 private:
  void* token_;
};

}  // namespace kiln::tracer
