"""f-strings with formats and conversions as keys of a table."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    table = {"w[03]": 2.0, "w[10]": 3.0, "w['a'] ": 5.0}

    @jit
    def f(x, i, width):
        key = f"w[{i:0{width}}]" if isinstance(i, int) else f"w[{i!r}]{' ':>1}"
        return x * table[key], f"{x.shape}={len(table):>{width}}"

    x = kn.asarray([1.0])
    for i, width in ((3, 2), (3, 2), (3, 2), (10, 2), ("a", 4), (3, 2)):
        show(f(x, i, width))
    table["w[03]"] = 7.0
    show(f(x, 3, 2))
    attempt(f, x, 3, 3)
