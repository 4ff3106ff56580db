"""Initial values of parameters, in place; the defaults are torch's, so that training compares."""

import math

from kiln._core import Tensor
from kiln._grad import no_grad
from kiln.random import normal, uniform


def fans(x: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (out, in, *window)."""
    if x.ndim < 2:
        raise ValueError(f"a weight has at least 2 dimensions, this one has shape {x.shape}")
    window = math.prod(x.shape[2:])
    return x.shape[1] * window, x.shape[0] * window


@no_grad
def uniform_(x: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Fills x from [low, high)."""
    x[...] = uniform(x.shape, low, high, dtype=x.dtype)
    return x


@no_grad
def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fills x from a normal distribution."""
    x[...] = normal(x.shape, mean, std, dtype=x.dtype)
    return x


@no_grad
def constant_(x: Tensor, value: float) -> Tensor:
    """Fills x with one number."""
    x[...] = value
    return x


def zeros_(x: Tensor) -> Tensor:
    return constant_(x, 0.0)


def ones_(x: Tensor) -> Tensor:
    return constant_(x, 1.0)


def kaiming_uniform_(x: Tensor, a: float = 0.0) -> Tensor:
    """He et al. 2015: uniform, of variance 2 / ((1 + a²) fan_in), for a leaky ReLU of slope a behind it."""
    bound = math.sqrt(6.0 / ((1.0 + a * a) * fans(x)[0]))
    return uniform_(x, -bound, bound)


def xavier_uniform_(x: Tensor, gain: float = 1.0) -> Tensor:
    """Glorot and Bengio 2010: uniform, of variance 2 gain² / (fan_in + fan_out)."""
    fan_in, fan_out = fans(x)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(x, -bound, bound)
