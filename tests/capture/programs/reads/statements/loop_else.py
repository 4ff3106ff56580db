"""for and while with else, break and continue, over Python values."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    stop = [99]

    @jit
    def f(x, n):
        for i in range(n):
            if i % 2:
                continue
            x = x + i
            if i == stop[0]:
                break
        else:
            x = x + 1000
        while n > 0:
            n -= 2
            if n == 1:
                break
        else:
            x = x * 2
        return x

    for n in (4, 4, 4, 5, 6, 0):
        show(f(kn.asarray([1.0]), n))
    stop[0] = 2
    show(f(kn.asarray([1.0]), 4))
