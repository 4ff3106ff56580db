"""Functions to compare: `kiln compare examples/compare/functions.py:softmax`. In the array API's names, so that peers run them too."""

import kiln as kn


def gelu(x):
    return 0.5 * x * (1 + kn.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def gelu_inputs():
    return (kn.random.normal((10_000_000,)),)


def softmax(x):
    shifted = x - kn.max(x, axis=-1, keepdims=True)
    e = kn.exp(shifted)
    return e / kn.sum(e, axis=-1, keepdims=True)


def layer_norm(x, weight, bias):
    xp = x.__array_namespace__()  # the other way to be any library's function
    mean = xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) / xp.sqrt(variance + 1e-5) * weight + bias


def example_inputs():
    """For functions without inputs of their own."""
    return (kn.random.normal((4096, 1024)),)


def layer_norm_inputs():
    return kn.random.normal((128, 1024)), kn.random.normal((1024,)), kn.random.normal((1024,))
