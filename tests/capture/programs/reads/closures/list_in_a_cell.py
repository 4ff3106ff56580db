"""A list in a closure is changed at depth: same list, other content."""
# jax-ml/jax#12773

import kiln as kn
from tests.capture.show import show


def main(jit):
    def make(total):
        @jit
        def increment(x):
            total[0] += x
            return total[0]

        return increment

    total = [0.0]
    increment = make(total)
    for i in range(6):
        if i == 4:
            total[0] = 100.0
        show(increment(1.0), increment(kn.asarray(2.0)), total)
