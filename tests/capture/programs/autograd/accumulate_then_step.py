"""Gradients of several micro-batches are summed before every third step."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = kn.nn.Linear(2, 1)
    optimizer = kn.optim.SGD(net.parameters(), lr=0.1)
    state = {"batches": 0}

    @jit
    def micro(x):
        loss = kn.mean(net(x) ** 2) / 3
        loss.backward()
        state["batches"] += 1
        if state["batches"] % 3 == 0:
            optimizer.step()
            optimizer.zero_grad(set_to_none=state["batches"] % 2 == 0)
        return loss

    for i in range(9):
        show(micro(kn.asarray([[1.0, float(i)]])))
    return net.state_dict(), [p.grad for p in net.parameters()]
