"""Parameters are frozen and thawed between calls of a function that counts its steps."""
# pytorch/pytorch#139476

import kiln as kn
from tests.capture.show import show


class Net(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = kn.nn.Linear(2, 2), kn.nn.Linear(2, 1)
        self.steps = 0

    def forward(self, x):
        self.steps += 1
        return self.second(kn.tanh(self.first(x)))


def main(jit):
    kn.manual_seed(1)
    net = Net()

    @jit
    def step(x):
        net.first.weight.grad = net.second.weight.grad = None
        loss = kn.sum(net(x) ** 2)
        if loss.requires_grad:
            loss.backward()
        return loss.detach()

    x = kn.asarray([[1.0, 2.0]])
    for frozen in ((), (), (), ("first",), ("first", "second"), ("second",), ()):
        for name in ("first", "second"):
            for p in getattr(net, name).parameters():
                p.requires_grad_(name not in frozen)
        show(step(x), net.first.weight.grad, net.second.weight.grad, net.steps)
