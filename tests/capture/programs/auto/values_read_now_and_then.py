"""Values are read at odd times while work is pending."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    x = kn.asarray([0.5, -0.5])
    for i in range(100):
        x = x * 1.01 + 0.01
        if i % 7 == 0:
            print(f"{x[0].item():.6f}", end=" ")
        if i % 31 == 0:
            print(x.tolist(), bool(kn.sum(x) > 0))
    show(x)
