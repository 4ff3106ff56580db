"""A generator's scope changes the default dtype while its consumer is in another scope."""
# pytorch/pytorch#134030

import kiln as kn
from tests.capture.show import attempt, show


def made(x):
    try:
        kn.set_default_dtype(kn.float64)
        yield x + kn.zeros((2,))
    finally:
        kn.set_default_dtype(kn.float32)


def main(jit):
    @jit
    def f(x, n):
        generator = made(x)
        with kn.no_grad():
            y = next(generator)
        if n:
            raise ValueError("left open")
        generator.close()
        return y, kn.zeros((1,))

    for n in (0, 0, 0, 1, 0):
        attempt(f, kn.asarray([1.0, 2.0]), n)
        show(kn.default_dtype(), kn.is_grad_enabled())
