"""One tensor used many times: the order of accumulation is eager's, to the bit."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(w, n):
        total = w * 0
        for i in range(n):
            total = total + kn.sin(w * (i + 0.1)) * 1e-3 ** (i % 3)
        kn.sum(total).backward()
        return total.detach()

    for n in (4, 4, 4, 7, 1):
        w = kn.asarray([0.1, 1e8, -3.0]).requires_grad_()
        show(f(w, n), w.grad)
