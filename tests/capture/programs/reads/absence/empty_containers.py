"""Emptiness of a list, dict, set, string and tuple decides; they fill and empty."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    held = [[], {}, set(), "", ()]

    @jit
    def f(x):
        for i, container in enumerate(held):
            if not container:
                x = x + 10**i
        return x

    x = kn.asarray([0.0])
    show(f(x), f(x), f(x))
    held[0].append(0)
    show(f(x))
    held[1]["k"] = None
    held[2].add(0)
    show(f(x))
    held[3], held[4] = "0", (None,)
    show(f(x))
    held[0].clear()
    show(f(x))
