"""Layers and losses, in torch's words: kiln.nn.Linear, kiln.nn.functional.cross_entropy, ..."""

from kiln.nn import functional, init, utils
from kiln.nn.layers import (
    GELU,
    Conv2d,
    CrossEntropyLoss,
    Dropout,
    Flatten,
    Linear,
    LogSoftmax,
    MaxPool2d,
    NLLLoss,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from kiln.nn.module import Module, Parameter

__all__ = [
    "GELU",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "Module",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "functional",
    "init",
    "utils",
]
