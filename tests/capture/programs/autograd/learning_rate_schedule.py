"""A whole training step whose learning rate a schedule changes."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, -1.0]).requires_grad_()
    optimizer = kn.optim.SGD([w], lr=0.5, momentum=0.5, nesterov=True)

    @jit
    def step(x, t):
        optimizer.param_groups[0]["lr"] = 0.5 / (1 + t)
        optimizer.zero_grad()
        loss = kn.mean((w * x - 1) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    for t in range(6):
        show(step(kn.asarray([1.0, 2.0]), t), w)
    return optimizer.state_dict()
