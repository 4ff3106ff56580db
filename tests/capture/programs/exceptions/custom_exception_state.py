"""An exception class of the program carries tensors and Python state out."""

import kiln as kn
from tests.capture.show import show


class Diverged(Exception):
    def __init__(self, step, value):
        super().__init__(f"at step {step}")
        self.step, self.value = step, value


def main(jit):
    @jit
    def f(x, limit):
        for step in range(5):
            x = x * 2
            if kn.max(x) > limit:
                raise Diverged(step, x)
        return x

    for limit in (1000.0, 1000.0, 1000.0, 10.0, 3.0):
        try:
            show(f(kn.asarray([1.0, 0.5]), limit))
        except Diverged as error:
            show(str(error), error.step, error.value)
