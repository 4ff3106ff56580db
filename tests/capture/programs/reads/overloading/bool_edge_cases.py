"""__bool__ that is None, that gives no bool, and a negative __len__: each has its own error."""
# pytorch/pytorch#181101

import kiln as kn
from tests.capture.show import attempt


class Box:
    def __len__(self):
        return self.n


def main(jit):
    box = Box()
    box.n = 1

    @jit
    def f(x):
        return x + 1 if box else x - 1

    x = kn.asarray([1.0])
    for n in (1, 1, 1, 0, 2):
        box.n = n
        attempt(f, x)
    box.n = -1
    attempt(f, x)
    Box.__bool__ = lambda self: self
    attempt(f, x)
    Box.__bool__ = None
    attempt(f, x)
    Box.__bool__ = lambda self: self.n < 0
    attempt(f, x)
