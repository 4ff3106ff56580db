"""sys.modules is asked for a module that is put there and removed."""

import sys
import types

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        module = sys.modules.get("capture.optional_plugin")
        return x if module is None else x * module.factor

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    plugin = sys.modules["capture.optional_plugin"] = types.ModuleType("capture.optional_plugin")
    plugin.factor = 2.0
    show(f(x))
    plugin.factor = 3.0
    show(f(x))
    del sys.modules["capture.optional_plugin"]
    show(f(x))
