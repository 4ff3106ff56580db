"""reversed() and iter() objects are kept by the caller and consumed bit by bit."""
# pytorch/pytorch#184670

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}
    backwards, forwards = reversed(table), iter(table.items())

    @jit
    def f(x):
        key = next(backwards, "a")
        name, value = next(forwards, ("none", 0.0))
        return x * table[key] + value + len(name)

    for _ in range(7):
        show(f(kn.asarray([1.0])))
    show(list(backwards), list(forwards))
