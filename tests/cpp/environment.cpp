// What the tests need of the environment, for whoever runs them: where the build found the libraries that are opened at run time, and that a
// graph which the pipeline fails on is a failure. Variables that are set already stay as they are.
#include <cstdlib>

namespace {

void set(const char* name, const char* value) {
  if (*value != '\0') setenv(name, value, 0);
}

[[maybe_unused]] const bool done = [] {
  set("KILN_DNNL", KILN_TEST_DNNL);
  set("KILN_NVRTC", KILN_TEST_NVRTC);
  set("KILN_STRICT", "1");
  set("KILN_DISK_CACHE_MB", "0");  // what is tested is what compiles; tests of the cache have folders of their own
  return true;
}();

}  // namespace
