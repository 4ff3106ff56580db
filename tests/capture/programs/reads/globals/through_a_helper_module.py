"""The helper reads a global of its own module, which is not the caller's of the same name."""

import types

import kiln as kn
from tests.capture.show import show

FACTOR = 10.0
helper = types.ModuleType("helper")
exec("FACTOR = 2.0\ndef scaled(x):\n    return x * FACTOR\n", helper.__dict__)


def main(jit):
    @jit
    def f(x):
        return helper.scaled(x) + FACTOR

    global FACTOR
    x = kn.asarray([1.0, 2.0])
    for mine, theirs in ((10.0, 2.0),) * 3 + ((10.0, 3.0), (20.0, 3.0), (20.0, 2.0)):
        FACTOR, helper.FACTOR = mine, theirs
        show(f(x))
