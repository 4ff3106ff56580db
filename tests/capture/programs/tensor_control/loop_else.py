"""while and for with else, whose condition is a tensor's, with and without a break."""
# tensorflow/tensorflow#37813

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, stop):
        while kn.max(x) > 2:
            x = x / 2
            if kn.min(x) < stop:
                break
        else:
            x = x + 1
        for row in x:
            if row > 1.5:
                break
        else:
            x = x * 100
        return x

    for value, stop in ((8.0, 0.0), (8.0, 0.0), (8.0, 0.0), (8.0, 1.0), (1.0, 0.0), (3.0, 0.0), (100.0, 0.2)):
        show(f(kn.asarray([value, 1.0]), stop))
