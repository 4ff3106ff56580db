"""An argument object is equal and hashes alike by its value, and the value is changed."""
# jax-ml/jax#13992

import kiln as kn
from tests.capture.show import show


class Value:
    def __init__(self, v):
        self.v = v

    def __hash__(self):
        return hash(self.v)

    def __eq__(self, other):
        return isinstance(other, Value) and self.v == other.v


def main(jit):
    @jit(static_argnums=0)
    def f(value, x):
        return x + value.v

    value, x = Value(100), kn.asarray([1.0])
    show(f(value, x), f(value, x), f(value, x))
    value.v = 0
    show(f(value, x), f(value, x), f(Value(100), x))
