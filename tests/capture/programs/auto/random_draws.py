"""Draws of all three generators in hot code, with seeds set in between."""

import random

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    x = kn.zeros((2,))
    for i in range(90):
        if i == 45:
            kn.manual_seed(5)
        x = x * 0.9 + kn.random.normal((2,)) * random.random() + float(np.random.rand())
        if random.random() < 0.1:
            x = kn.dropout(x, 0.5)
        if i % 15 == 14:
            show(x)
