"""Hot code over lengths that keep changing."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    total = kn.asarray(0.0)
    for i in range(150):
        x = kn.arange(i % 11, dtype=kn.float32)
        total = total + kn.sum(kn.sqrt(x) * (i % 5))
        if i % 50 == 49:
            show(total)
