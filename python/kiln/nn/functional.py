"""Layers and losses as functions. Those that are operators are the operators themselves; the rest is a line over them."""

from kiln._core import Tensor
from kiln._operators import (
    conv2d,
    cross_entropy,
    flatten,
    gelu,
    linear,
    log_softmax,
    mse_loss,
    nll_loss,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from kiln._operators import dropout as _dropout
from kiln._operators import max_pool2d as _max_pool2d

__all__ = [
    "conv2d",
    "cross_entropy",
    "dropout",
    "flatten",
    "gelu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]


def check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"a probability is between 0 and 1, not {p}")


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """While training, zeroes each element with probability p and scales the others by 1 / (1 - p)."""
    check_probability(p)
    return _dropout(x, p, training)


def max_pool2d(
    x: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Tensor:
    """The greatest element of each window; kiln.max_pool2d also tells where it was."""
    return _max_pool2d(x, kernel_size, stride, padding, dilation)[0]
