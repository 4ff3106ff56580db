"""match on values read from tensors."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, mode):
        match int(mode), bool(kn.any(x > 1)):
            case 0, False:
                return x
            case 0, True:
                return x * 2
            case n, True if n > 3:
                return x * n
            case _:
                return -x

    for value, mode in ((0.0, 0), (0.0, 0), (0.0, 0), (2.0, 0), (2.0, 5), (0.0, 5), (2.0, 1)):
        show(f(kn.asarray([value, 1.0]), kn.asarray(mode)))
