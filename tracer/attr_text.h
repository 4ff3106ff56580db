// Attributes of operator calls as text, for graphs and procedures.
#pragma once

#include <string>

#include "eager/operator.h"

namespace kiln::tracer {

std::string text(const eager::Attr&);  // "none", "true", "3", "0.5", "f32", "(1, 2)", "\"same\""

}  // namespace kiln::tracer
