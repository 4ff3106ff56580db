"""The result of a captured function with a custom gradient is differentiated by the caller."""

import kiln as kn
from tests.capture.show import show


@kn.custom_vjp
def reversed_gradient(x, strength):
    return x * 1


def backward(strength, g):
    return -g * strength, None


reversed_gradient.defvjp(lambda x, strength: (x * 1, strength), backward)


def main(jit):
    @jit
    def f(w, x, strength):
        return reversed_gradient(kn.tanh(w * x), strength)

    w = kn.asarray([0.5, 1.5]).requires_grad_()
    for strength in (1.0, 1.0, 1.0, 2.0, 1.0):
        y = f(w, kn.asarray([1.0, 2.0]), strength)
        kn.sum(y).backward()
        show(y, y.grad_fn, w.grad)
    return w
