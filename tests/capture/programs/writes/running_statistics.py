"""Batch-norm-like running mean and variance, updated in training only."""

import kiln as kn
from tests.capture.show import show


class Norm(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", kn.zeros((2,)))
        self.register_buffer("var", kn.ones((2,)))
        self.batches = 0

    def forward(self, x):
        if self.training:
            self.batches += 1
            mean, var = kn.mean(x, axis=0), kn.var(x, axis=0)
            self.mean += (mean - self.mean) * 0.1
            self.var = self.var * 0.9 + var * 0.1
        else:
            mean, var = self.mean, self.var
        return (x - mean) / kn.sqrt(var + 1e-5)


def main(jit):
    norm = Norm()
    f = jit(norm)
    for i in range(7):
        norm.train(i not in (3, 6))
        show(f(kn.asarray([[1.0, 2.0], [3.0, float(i)]])))
    return norm.mean, norm.var, norm.batches
