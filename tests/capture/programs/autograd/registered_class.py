"""value_and_grad over a registered class, whose constant part and whose flatten change what is computed."""

import kiln as kn
from tests.capture.show import show


class Model:
    def __init__(self, w, b, power):
        self.w, self.b, self.power = w, b, power


kn.register_pytree(Model, lambda m: ([m.w, m.b], m.power), lambda power, parts: Model(*parts, power))


def main(jit):
    def loss(model, x):
        return kn.sum((model.w * x + model.b) ** model.power)

    f = jit(kn.value_and_grad(loss))
    x = kn.asarray([1.0, 2.0])
    for power in (2, 2, 2, 3, 2):
        value, slope = f(Model(kn.asarray(0.5), kn.asarray(0.25), power), x)
        show(value, type(slope).__name__, slope.w, slope.b, slope.power)
