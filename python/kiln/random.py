"""Random numbers, from one counter-based generator (Philox4x32-10): a draw depends on the seed and on the number of earlier draws only."""

from kiln._core import Tensor, manual_seed
from kiln._core import random_state as get_state
from kiln._core import set_random_state as set_state
from kiln._operators import bernoulli, randint, random_normal, random_uniform

__all__ = ["bernoulli", "get_state", "manual_seed", "normal", "randint", "set_state", "uniform"]


def uniform(shape: int | tuple[int, ...], low: float = 0.0, high: float = 1.0, dtype=None) -> Tensor:
    """Uniform draws from [low, high)."""
    x = random_uniform(shape, dtype)
    return x if (low, high) == (0.0, 1.0) else x * (high - low) + low


def normal(shape: int | tuple[int, ...], mean: float = 0.0, std: float = 1.0, dtype=None) -> Tensor:
    """Draws from the normal distribution."""
    x = random_normal(shape, dtype)
    return x if (mean, std) == (0.0, 1.0) else x * std + mean
