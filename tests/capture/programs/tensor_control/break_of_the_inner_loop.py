"""A break decided by data leaves the inner loop only; the loop variables keep their last values."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        i = x[0]
        r = 10
        for i in x:
            for r in range(10, 14):
                if i >= r - 10:
                    break
        return i, r

    for values in ([1, 2, 3], [1, 2, 3], [1, 2, 3], [-1, 0, -5], [5, -1, 2], [0]):
        show(f(kn.asarray(values)))
