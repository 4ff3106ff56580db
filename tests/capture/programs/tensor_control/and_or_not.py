"""and, or, not between tensors give operands, evaluated no further than needed."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    asked = []

    @jit
    def f(x, y):
        def second():
            asked.append("second")
            return y

        return x and second(), x or second(), not x, (x > 0 and second() > 0) or x < -1

    for a, b in ((1.0, 2.0), (1.0, 2.0), (1.0, 2.0), (0.0, 2.0), (0.0, 0.0), (-2.0, -1.0)):
        show(f(kn.asarray(a), kn.asarray(b)), len(asked))
