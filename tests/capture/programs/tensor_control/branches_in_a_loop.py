"""if and else with different writes, nested in a loop over a tensor's rows."""
# tensorflow/tensorflow#41746

import kiln as kn
from tests.capture.show import show


class Sampler:
    def __init__(self):
        self.size, self.samples = 2, []


def main(jit):
    sampler = Sampler()

    @jit
    def f(rows):
        for i in range(rows.shape[0]):
            if kn.sum(rows[i]) > 0:
                if len(sampler.samples) < sampler.size:
                    sampler.samples.append(rows[i])
                else:
                    sampler.samples[i % sampler.size] = rows[i] * 2
            else:
                sampler.samples = sampler.samples[1:]
        return kn.stack(sampler.samples) if sampler.samples else kn.zeros((1,))

    for values in ([[1.0], [2.0]],) * 3 + ([[-1.0], [3.0]], [[-1.0], [-1.0], [-2.0]], [[4.0]]):
        show(f(kn.asarray(values)))
