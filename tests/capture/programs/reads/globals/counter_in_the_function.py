"""A function counts its calls in a global and multiplies by the count."""
# jax-ml/jax#1348

import kiln as kn
from tests.capture.show import show

COUNT = 0


def main(jit):
    @jit
    def f(x):
        global COUNT
        COUNT += 1
        return x * COUNT

    for _ in range(7):
        show(f(kn.asarray([1.0, 2.0])), COUNT)
