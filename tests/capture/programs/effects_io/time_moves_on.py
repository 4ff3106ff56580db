"""Clocks are read at each call; what is computed from their order is not stale."""

import time

import kiln as kn
from tests.capture.show import show


def main(jit):
    stamps = []

    @jit
    def f(x):
        now = time.perf_counter_ns()
        later = bool(stamps) and now > stamps[-1]
        stamps.append(now)
        return x + 1 if later else x

    for _ in range(6):
        show(f(kn.asarray([1.0])))
    show(len(set(stamps)))
    del stamps[:]
