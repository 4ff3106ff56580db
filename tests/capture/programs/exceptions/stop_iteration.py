"""StopIteration from next inside, and inside a generator, where it becomes RuntimeError."""

import kiln as kn
from tests.capture.show import attempt


def doubled(source):
    while True:
        yield next(source) * 2


def main(jit):
    @jit
    def f(x, n, through):
        source = iter(range(n))
        if through:
            return x + sum(doubled(source))
        return x * next(source) + next(source)

    for n, through in ((3, False), (3, False), (3, False), (1, False), (2, True), (4, False)):
        attempt(f, kn.asarray([1.0]), n, through)
