"""Euler steps whose size is halved or doubled by an error estimate, to a final time."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(y, end):
        t, h, accepted = kn.asarray(0.0), kn.asarray(0.5), 0
        while t < end:
            h = kn.minimum(h, end - t)
            whole = y - h * y
            half = y - h / 2 * y
            half = half - h / 2 * half
            error = kn.max(kn.abs(whole - half))
            if error > 0.01:
                h = h / 2
                continue
            t, y, accepted = t + h, half, accepted + 1
            if error < 0.001:
                h = h * 2
        return y, accepted

    for value, end in ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (5.0, 1.0), (1.0, 3.0), (0.0, 2.0)):
        show(f(kn.asarray([value, value / 2]), kn.asarray(end)))
