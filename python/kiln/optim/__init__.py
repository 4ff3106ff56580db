"""Optimisers, and schedules of their learning rates, in torch's words."""

from kiln.optim import lr_scheduler
from kiln.optim.optimizer import Optimizer
from kiln.optim.sgd import SGD

__all__ = ["SGD", "Optimizer", "lr_scheduler"]
