"""Builtins applied to tensors: max, min, abs, round, int, float, len, bool, sum, any, sorted."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        a, b, c = x
        return (
            max(a, b, c),
            min(a, b),
            abs(a),
            int(b),
            round(float(c), 1),
            len(x),
            bool(a > b),
            sum([a, b, c]),
            any(v > 2 for v in x),
            [float(v) for v in sorted(x)],
        )

    for values in ([1.0, -2.5, 3.25],) * 3 + ([3.0, 1.0, 2.0], [-1.0, -1.0, -1.06]):
        show(f(kn.asarray(values)))
