"""A module and one of its methods captured apart, sharing parameters and flags."""

import kiln as kn
from tests.capture.show import show


class Net(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = kn.nn.Linear(2, 2)
        self.calls = 0

    def encode(self, x):
        self.calls += 1
        return kn.tanh(self.linear(x))

    def forward(self, x):
        return self.encode(x) * (2.0 if self.training else 1.0) + self.calls


def main(jit):
    net = Net()
    whole, part = jit(net), jit(net.encode)
    x = kn.asarray([[1.0, 2.0]])
    for i in range(6):
        net.train(i % 4 != 3)
        show(whole(x), part(x), net.calls)
