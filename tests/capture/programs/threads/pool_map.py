"""A thread pool maps a captured closure over inputs, in order."""

from concurrent.futures import ThreadPoolExecutor

import kiln as kn
from tests.capture.show import show


def main(jit):
    offset = 0.0

    @jit
    def f(x):
        return kn.exp(x) + offset

    with ThreadPoolExecutor(4) as pool:
        for value in (0.0, 0.0, 0.0, 10.0):
            offset = value
            show(list(pool.map(f, [kn.asarray([float(i)]) for i in range(6)])))
