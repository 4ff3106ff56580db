"""A captured module is trained, evaluated, walked and assigned to like the module."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = jit(kn.nn.Sequential(kn.nn.Linear(2, 2), kn.nn.Dropout(0.5)))
    x = kn.asarray([[1.0, 2.0]])
    for i in range(6):
        if i == 3:
            net.eval()
        if i == 4:
            for p in net.parameters():
                p.requires_grad_(False)
        if i == 5:
            net.add_module("2", kn.nn.ReLU())
        y = net(x)
        show(y, y.requires_grad, net.training, len(list(net.modules())))
    show(sorted(net.state_dict()))
