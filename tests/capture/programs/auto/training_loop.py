"""A whole training run at module level style, with a schedule and an evaluation in between."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    kn.manual_seed(1)
    net = kn.nn.Sequential(kn.nn.Linear(3, 4), kn.nn.Tanh(), kn.nn.Dropout(0.25), kn.nn.Linear(4, 1))
    optimizer = kn.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(60):
        x = kn.random.normal((8, 3))
        y = kn.sum(x, axis=1, keepdims=True)
        optimizer.zero_grad()
        loss = kn.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        if step == 30:
            optimizer.param_groups[0]["lr"] = 0.01
        if step % 20 == 19:
            net.eval()
            with kn.no_grad():
                show(net(kn.ones((1, 3))))
            net.train()
    show(kn.stack(losses[::10]))
    return list(net.parameters())
