"""Second derivatives through a custom gradient, with a tree of arguments and no gradient for one of them."""

import kiln as kn
from tests.capture.show import show


@kn.custom_vjp
def scaled(p, k):
    return p["x"] ** 3 * k


def forward(p, k):
    return p["x"] ** 3 * k, (p["x"], k)


def backward(residuals, g):
    x, k = residuals
    return {"x": 3 * x * x * k * g}, None


scaled.defvjp(forward, backward)


def main(jit):
    def slope(x, k):
        return kn.sum(kn.grad(lambda p: kn.sum(scaled(p, k)))({"x": x})["x"])

    f = jit(kn.grad(slope))
    for value in (1.0, 1.0, 1.0, 2.0, -0.5):
        show(f(kn.asarray([value, 2.0]), 2.0))
