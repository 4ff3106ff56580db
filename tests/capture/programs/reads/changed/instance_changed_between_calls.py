"""Attributes of self that a method reads change between calls of a decorated method."""
# tensorflow/tensorflow#44980

import kiln as kn
from tests.capture.show import show


def main(jit):
    class Network:
        def __init__(self):
            self.weights = kn.zeros((4, 5))

        @jit
        def encode(self, x):
            return self.weights.shape == x.shape, self.weights + 1

    network = Network()
    for shape in ((4, 5), (4, 5), (4, 5), (2, 3), (4, 5)):
        network.weights = kn.zeros(shape)
        show(network.encode(kn.ones((4, 5))))
