"""An attribute of a captured object is counted up."""
# tensorflow/tensorflow#31362

import kiln as kn
from tests.capture.show import show


class Counter:
    value = 0


def main(jit):
    counter = Counter()

    @jit
    def f(x):
        counter.value += 1
        return x * counter.value

    for _ in range(6):
        show(f(kn.asarray([1.0])), counter.value)
    counter.value = 100
    show(f(kn.asarray([1.0])), Counter.value)
    return counter
