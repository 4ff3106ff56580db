"""A neuron's state is replaced by each call, with Bernoulli draws in between."""
# pytorch/pytorch#188074

import kiln as kn
from tests.capture.show import show


class Neuron(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("potential", kn.zeros((3,)))
        self.spikes = 0

    def forward(self, x):
        potential = self.potential * 0.9 + x * kn.random.bernoulli(kn.full((3,), 0.5))
        spike = (potential > 1.0).astype(kn.float32)
        self.potential = potential * (1 - spike)
        self.spikes += int(kn.sum(spike))
        return spike


def main(jit):
    neuron = Neuron()
    f = jit(neuron)
    for i in range(8):
        if i == 5:
            neuron.potential = kn.zeros((3,))
        show(f(kn.asarray([0.5, 0.8, 1.2])), neuron.spikes)
    return neuron.potential
