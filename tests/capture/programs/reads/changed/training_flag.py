"""module.training is flipped by train(), eval() and by hand."""

import kiln as kn
from tests.capture.show import show


class Net(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = kn.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(x) * (2.0 if self.training else 3.0)


def main(jit):
    net = Net()
    f = jit(net)
    x = kn.ones((6,))
    show(f(x), f(x), f(x))
    net.eval()
    show(f(x))
    net.drop.training = True
    show(f(x))
    net.train()
    show(f(x))
