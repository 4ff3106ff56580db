"""A list is built in a loop whose length depends on data, and stacked."""
# tensorflow/tensorflow#29504

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, bound):
        collected = []
        while kn.sum(x) < bound:
            collected.append(x)
            x = x + len(collected)
        return kn.stack(collected) if collected else x

    for bound in (10.0, 10.0, 10.0, 30.0, 0.0, 4.0):
        show(f(kn.asarray([0.5, 1.0]), bound))
