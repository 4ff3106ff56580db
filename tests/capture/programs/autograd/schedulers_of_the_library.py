"""A training step with the library's schedulers and clipping, whose settings change between calls."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = kn.nn.Sequential(kn.nn.Linear(2, 4), kn.nn.Tanh(), kn.nn.Linear(4, 1))
    optimizer = kn.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    scheduler = kn.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=0.01)
    limit = 100.0

    @jit
    def step(x, y):
        optimizer.zero_grad()
        loss = kn.nn.functional.mse_loss(net(x), y)
        loss.backward()
        norm = kn.nn.utils.clip_grad_norm_(net.parameters(), limit)
        optimizer.step()
        scheduler.step()
        return loss.detach(), norm

    for i in range(8):
        limit = 0.1 if i >= 5 else 100.0
        show(step(kn.asarray([[1.0, 2.0], [0.5, -1.0]]), kn.asarray([[1.0], [0.0]])), scheduler.get_last_lr())
    scheduler = kn.optim.lr_scheduler.StepLR(optimizer, 2)
    for _ in range(3):
        show(step(kn.asarray([[1.0, 2.0]]), kn.asarray([[1.0]])), scheduler.get_last_lr())
    return net.state_dict()
