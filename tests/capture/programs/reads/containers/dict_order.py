"""A dict keeps its content and changes its order, by pop and reinsertion."""
# pytorch/pytorch#133487

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = {"a": 2.0, "b": 3.0}

    @jit
    def f(x):
        for name in table:
            x = x * table[name] + 1
        return x

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    table["a"] = table.pop("a")
    show(f(x))
    table["a"] = table.pop("a")
    show(f(x))
    table["b"] = table.pop("b")
    show(f(x))
