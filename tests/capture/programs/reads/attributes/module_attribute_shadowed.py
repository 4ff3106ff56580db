"""A submodule of a network is shadowed by an entry in the instance's own dict."""
# pytorch/pytorch#197859

import kiln as kn
from tests.capture.show import show


class Net(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.sub = kn.nn.Linear(2, 2, bias=False)
        with kn.no_grad():
            self.sub.weight[...] = kn.eye(2)

    def forward(self, x):
        return self.sub(x)


def main(jit):
    net = Net()
    f = jit(net)
    x = kn.asarray([[1.0, 2.0]])
    with kn.no_grad():
        show(f(x), f(x), f(x))
        object.__setattr__(net, "sub", kn.tanh)
        show(f(x))
        del net.__dict__["sub"]
        show(f(x))
        net.sub = kn.nn.ReLU()
        show(f(x))
