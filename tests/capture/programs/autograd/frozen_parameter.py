"""A parameter is frozen and thawed between training steps."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = kn.nn.Sequential(kn.nn.Linear(2, 2), kn.nn.Tanh(), kn.nn.Linear(2, 1))
    optimizer = kn.optim.SGD(net.parameters(), lr=0.1)

    @jit
    def step(x, y):
        optimizer.zero_grad()
        loss = kn.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = kn.asarray([[1.0, 2.0], [0.5, -1.0]]), kn.asarray([[1.0], [0.0]])
    first = next(net.parameters())
    for i in range(7):
        first.requires_grad_(i not in (3, 4))
        show(step(x, y), first.grad is None)
    return list(net.parameters())
