// Is somebody looking on?
#pragma once

namespace kiln::python {

// A debugger, sys.settrace or a tool of sys.monitoring (PEP 669; CPython 3.12 and later) sees each line, and each operator take effect: nothing
// is deferred under one, and nothing replayed. A profiler measures what a program does, which is what it does without one.
bool watched();

}  // namespace kiln::python
