"""Variables of another module are assigned through the module."""

import types

import kiln as kn
from tests.capture.show import show

settings = types.ModuleType("settings")
settings.steps, settings.scale = 0, 2.0


def main(jit):
    @jit
    def f(x):
        settings.steps += 1
        settings.last = x * settings.steps
        return settings.last * settings.scale

    for i in range(7):
        if i == 4:
            settings.scale = -1.0
        if i == 5:
            settings.steps = 100
        show(f(kn.asarray([float(i)])), settings.steps, settings.last)
    return vars(settings)["steps"]
