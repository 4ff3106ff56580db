"""time.time is replaced by a clock of the program's own."""

import time

import kiln as kn
from tests.capture.show import show


def main(jit):
    real, ticks = time.time, [100.0]

    def clock():
        ticks[0] += 1
        return ticks[0]

    @jit
    def f(x):
        return x * (time.time() > 1000) + (time.time() % 10 if time.time is clock else 0)

    x = kn.asarray([1.0])
    try:
        show(f(x), f(x), f(x))
        time.time = clock
        show(f(x), f(x))
        ticks[0] = 5000.0
        show(f(x))
    finally:
        time.time = real
