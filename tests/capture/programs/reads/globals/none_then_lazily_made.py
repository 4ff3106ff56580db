"""A global is None until the first call that needs it makes it."""
# tensorflow/tensorflow#33689

import kiln as kn
from tests.capture.show import show

TABLE = None


def main(jit):
    global TABLE

    @jit
    def f(x):
        global TABLE
        if TABLE is None:
            TABLE = x * 0 + 5
        return x + TABLE

    for start in (1.0, 2.0, 3.0, 4.0):
        show(f(kn.asarray([start])))
    TABLE = None
    for start in (5.0, 6.0):
        show(f(kn.asarray([start, 0.0])))
