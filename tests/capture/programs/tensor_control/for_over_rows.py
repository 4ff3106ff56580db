"""for over a tensor gives its rows; a condition on a row breaks."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        total = x[0] * 0
        for row in x:
            if row[0] < 0:
                break
            total = total + row
        else:
            total = total * 10
        return total

    for values in ([[1.0, 2.0], [3.0, 4.0]],) * 3 + ([[1.0, 2.0], [-3.0, 4.0]], [[-1.0, 0.0]], [[1.0, 1.0]] * 3):
        show(f(kn.asarray(values)))
