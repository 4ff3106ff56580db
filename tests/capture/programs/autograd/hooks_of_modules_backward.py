"""A full backward hook notes the gradients of a layer, and later replaces one."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = kn.nn.Sequential(kn.nn.Linear(2, 3), kn.nn.Tanh(), kn.nn.Linear(3, 1))
    seen = []

    @jit
    def step(x):
        net.zero_grad()
        loss = kn.sum(net(x) ** 2)
        loss.backward()
        return loss.detach()

    x = kn.asarray([[1.0, 2.0]])
    show(step(x), step(x), step(x))
    last = list(net.children())[-1]
    handle = last.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    show(step(x), step(x), seen)
    last.register_full_backward_hook(lambda m, gi, go: (gi[0] * 0,))
    show(step(x), seen, [p.grad for p in net.parameters()])
    handle.remove()
    show(step(x), len(seen), [p.grad for p in net.parameters()])
