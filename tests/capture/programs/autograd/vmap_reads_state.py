"""What the function of vmap reads changes between calls: a number, a tensor, an attribute, the batch's size and dtype."""

import kiln as kn
from tests.capture.show import show

SCALE = 2.0


class Layer:
    def __init__(self):
        self.bias = kn.asarray([0.5, -0.5])
        self.shift = True

    def __call__(self, x):
        return x + self.bias if self.shift else x


def main(jit):
    global SCALE
    layer = Layer()
    w = kn.asarray([1.0, 3.0])

    @jit
    def f(xs):
        return kn.vmap(lambda x: (layer(x) * w * SCALE, x.sum() * len(x.shape)))(xs)

    xs = kn.asarray([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    show(f(xs), f(xs), f(xs))
    for SCALE in (3.0, 3.0, 4.0, 5.0, 2.0):
        show(f(xs))
    w = kn.asarray([2.0, 0.5])
    show(f(xs))
    layer.bias[0] = 7.0
    show(f(xs), f(xs[:2]), f(xs[:2]), f(xs.astype(kn.float64)))
    layer.shift = False
    show(f(xs))
    w = kn.asarray([2.0, 0.5], dtype=kn.float64)
    show(f(xs))
