"""The default dtype changes while operators wait: each has the one of its own call."""
# pytorch/pytorch#134030

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        before = kn.arange(3) / 3 + kn.mean(n)
        kn.set_default_dtype(kn.float64)
        inside = kn.arange(3) / 3 + kn.mean(n) + kn.sin(n)
        kn.set_default_dtype(kn.float32)
        return before, inside, kn.arange(3) / 3 + x, kn.exp(n)

    for i in range(5):
        show(f(kn.asarray([float(i)]), kn.asarray([i, 1, 2])))
        show(kn.default_dtype())
