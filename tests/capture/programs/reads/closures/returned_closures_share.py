"""Two functions that a call makes share a variable; one has defaults, annotations and a name for itself."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, k):
        total = x * k

        def add(v, by: float = k * 2, *, scale=3) -> None:
            "Adds."
            nonlocal total
            total = total + v * by * scale

        def get():
            return total

        def countdown(n):
            return total if n == 0 else countdown(n - 1) + 1

        add.kind = "adder"
        return add, get, countdown

    x = kn.asarray([1.0, 2.0])
    made = [f(x, k) for k in (1, 1, 1, 2, 3.0)]
    for i, (add, get, countdown) in enumerate(made):
        add(x * i)
        show(get(), countdown(2), add.__doc__, add.__annotations__, add.__defaults__, add.__kwdefaults__, add.kind, add.__qualname__)
        show(add.__closure__[0] is get.__closure__[0], add.__module__, add.__name__)
