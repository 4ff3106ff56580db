"""Calls with wrong arguments: the message is Python's own, and nothing is run."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    ran = []

    @jit
    def f(x, y, *, z):
        ran.append(1)
        return x + y + z

    x = kn.asarray([1.0])
    for args, kwargs in (((x, 1), {"z": 2}),) * 3 + (((x,), {"z": 1}), ((x, 1, 2), {"z": 1}), ((x, 1), {}), ((x, 1), {"z": 1, "w": 2})):
        attempt(f, *args, **kwargs)
    show(len(ran))
