"""isinstance of tensors, parameters, arrays and numbers."""

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, other):
        if isinstance(other, kn.nn.Parameter):
            return x + 1
        if isinstance(other, kn.Tensor):
            return x * other
        if isinstance(other, np.ndarray):
            return x - kn.asarray(other)
        return x / other if isinstance(other, (int, float)) else -x

    x = kn.asarray([1.0, 2.0])
    tensor = kn.asarray([3.0, 4.0])
    for other in (tensor, tensor, tensor, kn.nn.Parameter(tensor), tensor.numpy(), 2, 2.0, np.float32(2), None, tensor + 1):
        show(f(x, other))
