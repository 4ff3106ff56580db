"""A hot loop that branches on its own data and stops by it."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    x, steps = kn.asarray(100.0), 0
    while x > 1e-3:
        x = x / 2 if x > 1 else x * 0.75
        steps += 1
        if steps == 3:
            x = x * 3
    show(x, steps)
    for start in (7, 27, 97):
        n, count = kn.asarray(start), 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            count += 1
        show(count)
