"""Assignment expressions in conditions, comprehensions and arguments."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    queue = [3, 2, 1]

    @jit
    def f(x):
        total = 0
        while (n := queue.pop() if queue else 0) > 0:
            total += n
        kept = [last := x * i for i in range(2)]
        return (y := x + total) * y + last + len(kept)

    for refill in ([], [1], [1], [5, 5], [4, -1, 4]):
        show(f(kn.asarray([1.0, 2.0])), queue)
        queue.extend(refill)
