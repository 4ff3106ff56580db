"""Operators of tensors under the names of their slots: x.__isub__(y), Tensor.__add__(x, y)."""

from __future__ import annotations

from typing import Any

from kiln._core import Tensor
from kiln.capture import callables, operations
from kiln.capture.recording import class_value
from kiln.capture.values import MISSING, is_tensor


def _slot(number: int, reflected: bool) -> Any:
    def run(machine: Any, x: Any, y: Any) -> Any:
        numbers = (operations.runs_in_c(y) or type(y) in operations.ATOMS) and is_tensor(x)
        if not numbers:
            return NotImplemented
        return operations.binary(machine, number, y, x) if reflected else operations.binary(machine, number, x, y)

    return run


for _number, (_name, _, _in_place) in enumerate(operations.BINARY):
    for _prefix, _reflected in (("i", False),) if _in_place else (("", False), ("r", True)):
        _found = class_value(Tensor, f"__{_prefix}{_name}__")
        if _found is not MISSING:
            callables.SPECIAL[_found] = _slot(_number, _reflected)
