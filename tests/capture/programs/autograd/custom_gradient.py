"""A custom gradient that reads a global, which is rebound; and whose rule is replaced."""

import kiln as kn
from tests.capture.show import show

LIMIT = 1.0


@kn.custom_vjp
def clipped(x):
    return x * x


def forward(x):
    return x * x, {"x": x}


def backward(residuals, g):
    return (kn.clip(2 * residuals["x"] * g, -LIMIT, LIMIT),)


def main(jit):
    global LIMIT
    clipped.defvjp(forward, backward)
    w = kn.asarray([0.1, 3.0]).requires_grad_()

    @jit
    def f(x):
        w.grad = None
        loss = kn.sum(clipped(w * x))
        loss.backward()
        return loss.detach(), w.grad

    x = kn.asarray([1.0, -2.0])
    for LIMIT in (1.0, 1.0, 1.0, 4.0, 1.0):
        show(f(x))
    clipped.defvjp(forward, lambda residuals, g: (g * 7,))
    show(f(x), f(x))
