"""Attributes are set and deleted by name; some refuse."""

import kiln as kn
from tests.capture.show import attempt, show


class Guarded:
    def __delattr__(self, name):
        if name.startswith("keep"):
            raise AttributeError(f"{name} stays")
        object.__delattr__(self, name)


def main(jit):
    guarded = Guarded()

    @jit
    def f(x, name):
        setattr(guarded, name, x * 2)
        y = getattr(guarded, name) + 1
        delattr(guarded, name)
        return y

    for name in ("a", "a", "a", "b", "keep_c", "a"):
        attempt(f, kn.asarray([1.0]), name)
        show(vars(guarded))
