"""grad of what a module's parameters also ask gradients for: a gradient penalty, in a whole step."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = kn.nn.Sequential(kn.nn.Linear(2, 4), kn.nn.Tanh(), kn.nn.Linear(4, 1))
    optimizer = kn.optim.SGD(net.parameters(), lr=0.05)

    @jit
    def step(x, weight):
        optimizer.zero_grad()
        slope = kn.grad(lambda x: kn.sum(net(x)))(x)
        penalty = kn.mean((kn.sum(slope**2, axis=1) - 1) ** 2)
        loss = kn.mean(net(x) ** 2) + weight * penalty
        loss.backward()
        optimizer.step()
        return loss.detach(), penalty.detach()

    x = kn.asarray([[1.0, 2.0], [0.5, -1.0]])
    for weight in (0.1, 0.1, 0.1, 1.0, 0.1):
        show(step(x, weight))
    return net.state_dict()
