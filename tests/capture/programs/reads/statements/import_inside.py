"""import statements inside the function, of modules whose attributes change."""

import sys
import types

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    plugin = sys.modules["capture.plugin"] = types.ModuleType("capture.plugin")
    plugin.scale = 2.0

    @jit
    def f(x):
        import math
        from importlib import import_module

        return x * import_module("capture.plugin").scale + math.floor(math.e)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    plugin.scale = 3.0
    show(f(x))
    other = sys.modules["capture.plugin"] = types.ModuleType("capture.plugin")
    other.scale = 9.0
    show(f(x))
    del sys.modules["capture.plugin"]
    attempt(f, x)
