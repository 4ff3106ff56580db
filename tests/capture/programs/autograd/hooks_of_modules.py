"""Forward hooks of a module's layer come and go between training steps."""

import kiln as kn
from tests.capture.show import show


def doubled(module, args, result):
    return result * 2


def main(jit):
    net = kn.nn.Sequential(kn.nn.Linear(2, 3), kn.nn.Tanh(), kn.nn.Linear(3, 1))
    optimizer = kn.optim.SGD(net.parameters(), lr=0.1)

    @jit
    def step(x):
        optimizer.zero_grad()
        loss = kn.mean(net(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss.detach()

    x = kn.asarray([[1.0, 2.0], [0.5, -1.0]])
    show(step(x), step(x), step(x))
    handle = next(net.children()).register_forward_hook(doubled)
    show(step(x), step(x), step(x))
    before = net.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    show(step(x), step(x))
    handle.remove()
    before.remove()
    show(step(x), step(x))
    return net.state_dict()
