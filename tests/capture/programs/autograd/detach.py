"""A detached value is a constant, and stays the same memory as its source."""
# pytorch/pytorch#100348

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, 2.0]).requires_grad_()

    @jit
    def f(x):
        y = w * x
        loss = kn.sum(y * y.detach())
        return {"loss": loss, "value": loss.detach()}

    for value in (1.0, 1.0, 1.0, 2.0, 3.0):
        result = f(kn.asarray([value, 1.0]))
        result["loss"].backward()
        show(result["loss"] is result["value"], result, w.grad)
