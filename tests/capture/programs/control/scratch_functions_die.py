"""Many functions are made, captured, called and dropped."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    results = []
    for i in range(12):
        table = [float(i)]

        @jit
        def f(x, k=i):
            return x * k + table[0]

        for _ in range(3):
            results.append(f(kn.asarray([1.0, 2.0])))
        table[0] = 100.0
        results.append(f(kn.asarray([1.0, 2.0])))
        del f
    show(results)
