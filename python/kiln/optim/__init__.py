"""Optimisers, in torch's words."""

from kiln.optim.optimizer import Optimizer
from kiln.optim.sgd import SGD

__all__ = ["SGD", "Optimizer"]
