// The one thread pool of the process. Workers spin for a bounded time, then park; fork() is safe (the child starts fresh workers).
// Work is cut by shape, never by thread count, so that results do not depend on it.
#pragma once

#include <cstdint>
#include <type_traits>

namespace kiln::codegen {

int num_threads();            // workers including the caller; initially KILN_NUM_THREADS or the CPUs this process may use
void set_num_threads(int n);  // n >= 1, else Error{value}

// Calls body(context, begin, end) over disjoint ranges that cover [0, count); each range is a multiple of `grain` long but the last.
// Returns when all have run, with the default MXCSR on every thread (mxcsr.h). The caller takes part. Nested calls and calls while the pool is busy run on the caller alone.
// Each thread begins with the same part of the range from call to call, whose data its caches may hold, and goes on with what others have left.
// A body must not throw (the process ends if one does): workers have nobody to throw to.
void parallel_for(int64_t count, int64_t grain, void (*body)(void* context, int64_t begin, int64_t end), void* context);

template <class Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  parallel_for(count, grain, [](void* c, int64_t b, int64_t e) { (*static_cast<std::remove_reference_t<Body>*>(c))(b, e); }, &body);
}

}  // namespace kiln::codegen
