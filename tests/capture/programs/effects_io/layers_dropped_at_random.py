"""Layers are skipped by Python's generator."""
# pytorch/pytorch#95425

import random

import kiln as kn
from tests.capture.show import show


def main(jit):
    layers = [kn.nn.Tanh(), kn.nn.Sigmoid(), kn.nn.ReLU()]

    @jit
    def f(x):
        taken = []
        for i, layer in enumerate(layers):
            if random.uniform(0, 1) > 0.5:
                x = layer(x) + 0.25
                taken.append(i)
        return x, taken

    for _ in range(8):
        show(f(kn.asarray([0.5, -0.5])))
