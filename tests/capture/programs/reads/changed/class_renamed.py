"""A class gets another name, module and qualified name; a function another name and document."""

import kiln as kn
from tests.capture.show import show


class Plain:
    pass


class Root(Plain):
    pass


class Layer(Plain):
    "Computes."


def helper(x):
    "Helps."
    return x


def main(jit):
    layer = Layer()

    @jit
    def f(x):
        kind = type(layer)
        words = (kind.__name__, kind.__qualname__, kind.__module__, kind.__doc__, helper.__name__, helper.__doc__)
        return x * sum(len(word) for word in words), words, [base.__name__ for base in kind.__mro__]

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Layer.__name__ = "Dense"
    show(f(x))
    Layer.__qualname__ = "Longer.Name"
    Layer.__module__ = "elsewhere"
    show(f(x))
    helper.__name__, helper.__doc__ = "assistant", "Other words."
    show(f(x))
    Layer.__doc__ = "Computes more."
    show(f(x))
    Layer.__bases__ = (Root,)
    show(f(x))
