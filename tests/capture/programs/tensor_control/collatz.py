"""The length of a Collatz sequence, with integer tensors."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(n):
        count = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            count += 1
        return count

    for n in (6, 6, 6, 7, 1, 27, 2):
        show(f(kn.asarray(n)))
