"""A parameter is replaced, its data is written, and it loses requires_grad."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = kn.nn.Linear(2, 1)
    f = jit(net)
    x = kn.asarray([[1.0, 2.0]])

    def set_weight(values):
        net.weight = kn.nn.Parameter(kn.asarray(values))

    set_weight([[1.0, 1.0]])
    show(f(x), f(x), f(x))
    set_weight([[2.0, 3.0]])
    show(f(x))
    with kn.no_grad():
        net.weight[0, 0] = 50.0
        net.bias[...] = 0.0
    show(f(x))
    net.requires_grad_(False)
    y = f(x)
    show(y, y.requires_grad)
    net.bias = None
    show(f(x))
