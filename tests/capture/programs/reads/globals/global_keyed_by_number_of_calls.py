"""A random key is split from global state at each call."""
# jax-ml/jax#5206

import kiln as kn
from tests.capture.show import show

key = 1


def split():
    global key
    key = (key * 1103515245 + 12345) % 2**31
    return key


def main(jit):
    @jit
    def init(x):
        return x * (split() / 2**31) + split() % 7

    for _ in range(6):
        show(init(kn.asarray([1.0])), key)
