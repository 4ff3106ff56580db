"""backward() inside the function; gradients accumulate over calls until they are cleared."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, 2.0]).requires_grad_()

    @jit
    def f(x):
        loss = kn.sum(kn.tanh(w * x))
        loss.backward()
        return loss

    for i in range(6):
        if i == 4:
            w.grad = None
        show(f(kn.asarray([1.0, float(i)])), w.grad)
    return w
