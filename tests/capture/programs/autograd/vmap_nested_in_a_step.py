"""Nested vmap with axes of its own, differentiated by backward() in a training step; then the loss's helper is replaced."""

import kiln as kn
from tests.capture.show import show


def distance(a, b):
    return kn.sum((a - b) ** 2)


def main(jit):
    global distance
    w = kn.asarray([[1.0, -1.0], [0.5, 2.0]]).requires_grad_()
    optimizer = kn.optim.SGD([w], lr=0.05)

    @jit
    def step(xs, ys):
        optimizer.zero_grad()
        hidden = kn.vmap(lambda x: kn.tanh(w @ x))(xs)
        table = kn.vmap(lambda h: kn.vmap(lambda y: distance(h, y))(ys))(hidden)
        loss = kn.mean(kn.exp(-table)) + kn.mean(w.detach() * w)
        loss.backward()
        optimizer.step()
        return loss.detach(), table.detach()

    xs, ys = kn.asarray([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]), kn.asarray([[0.0, 1.0], [1.0, 0.0]])
    show(step(xs, ys), step(xs, ys), step(xs, ys))
    before = distance
    distance = lambda a, b: kn.sum(kn.abs(a - b))  # noqa: E731
    show(step(xs, ys), step(xs[:2], ys))
    distance = before
    show(step(xs, ys))
    with kn.no_grad():
        w *= 0.5
    show(step(xs, ys))
    return w
