#include "tracer/front_end.h"

namespace kiln::tracer {
namespace {
FrontEnd installed;
}

void install_front_end(const FrontEnd& f) { installed = f; }
const FrontEnd& front_end() { return installed; }

}  // namespace kiln::tracer
