"""A whole training step: a schedule with warm-up, gradients clipped by their norm, weight decay, momentum, running loss."""

import math

import kiln as kn
from tests.capture.show import show


class Schedule:
    def __init__(self, optimizer, peak, warm, total):
        self.optimizer, self.peak, self.warm, self.total, self.count = optimizer, peak, warm, total, 0

    def step(self):
        self.count += 1
        if self.count < self.warm:
            rate = self.peak * self.count / self.warm
        else:
            rate = 0.5 * self.peak * (1 + math.cos(math.pi * (self.count - self.warm) / (self.total - self.warm)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate


def clip(parameters, limit):
    norm = kn.sqrt(sum(kn.sum(p.grad**2) for p in parameters))
    scale = kn.clip(limit / (norm + 1e-6), None, 1.0)
    with kn.no_grad():
        for p in parameters:
            p.grad *= scale
    return norm


def main(jit):
    net = kn.nn.Sequential(kn.nn.Linear(2, 4), kn.nn.GELU(), kn.nn.Linear(4, 1))
    parameters = list(net.parameters())
    optimizer = kn.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-3)
    schedule = Schedule(optimizer, 0.2, 3, 10)
    state = {"loss": 0.0}

    @jit
    def step(x, y):
        optimizer.zero_grad()
        loss = kn.nn.functional.mse_loss(net(x), y)
        loss.backward()
        norm = clip(parameters, 0.5)
        optimizer.step()
        schedule.step()
        state["loss"] = state["loss"] * 0.9 + loss.detach()
        return loss.detach(), norm

    for i in range(9):
        show(step(kn.asarray([[1.0, float(i)], [0.5, -1.0]]), kn.asarray([[1.0], [0.0]])), optimizer.param_groups[0]["lr"])
    return net.state_dict(), state
