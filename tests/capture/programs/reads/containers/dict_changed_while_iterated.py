"""A dict that changes size while it is iterated over raises at the same step."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(x, table, grow):
        for key in table:
            x = x * table[key]
            if grow:
                table[key + "!"] = 1.0
        return x

    for grow in (False, False, False, True, False):
        table = {"a": 2.0, "b": 3.0}
        attempt(f, kn.asarray([1.0]), table, grow)
        show(table)
