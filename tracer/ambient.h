// Ambient deferral, kn.auto(): operators of hot code that nobody decorated are deferred too, in all threads.
//
// There is no function whose end would run them. A segment ends where its code comes round (hot_code.h), where something needs a value, as in a
// captured function, and at bounds of time, bytes and count. Captured calls are as ever: what is pending runs before one begins.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace kiln::tracer {

class FunctionRecord;

void set_ambient(bool on);  // for the process; turned off, other threads run what they have pending at their next operator
bool ambient_is_on();

// What the front end calls before each operator call that comes from its code. `site` tells the place; a watched thread (a debugger's) defers
// nothing. Throws what running pending work throws.
void arrive_ambient(uint64_t (*site)(), bool watched);

// Runs this thread's pending ambient work, if any; its operators run at once until the next arrival. An error leaves the values pending:
// whoever reads them gets it.
void leave_ambient() noexcept;

// None of this thread's operators is deferred for the sake of ambient deferral while it lives.
class AmbientPause {
 public:
  AmbientPause();
  ~AmbientPause();
  AmbientPause(const AmbientPause&) = delete;
};

bool defers_ambient();                                    // does this thread, now?
const std::shared_ptr<FunctionRecord>& ambient_record();  // what was run, for explain()

// Is there anything to do in arrive_ambient()? Not where nobody has asked for ambient deferral, and not while this thread's code is at rest.
extern std::atomic<int> ambient_users;                                                   // threads that defer, and one while it is on
[[gnu::tls_model("initial-exec")]] extern constinit thread_local uint32_t ambient_rest;  // arrivals to be left out
inline bool ambient_is_possible() {
  if (ambient_users.load(std::memory_order_relaxed) == 0) return false;
  if (ambient_rest == 0) return true;
  --ambient_rest;
  return false;
}

}  // namespace kiln::tracer
