"""A function counts its calls in a global and multiplies by the count."""
# jax-ml/jax#1348

from tests.capture.show import show

import kiln as kn

COUNT = 0


def main(jit):
    @jit
    def f(x):
        global COUNT
        COUNT += 1
        return x * COUNT

    for _ in range(7):
        show(f(kn.asarray([1.0, 2.0])), COUNT)
