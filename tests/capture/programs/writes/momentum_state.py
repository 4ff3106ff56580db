"""SGD with momentum: state made at the first step, updated in place afterwards."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, -2.0]).requires_grad_()
    optimizer = kn.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.01)

    @jit
    def step(x):
        optimizer.zero_grad()
        loss = kn.sum((w * x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    for i in range(6):
        if i == 4:
            optimizer.param_groups[0]["lr"] = 0.01
        show(step(kn.asarray([1.0, 0.5])), w)
    return optimizer.state_dict()
