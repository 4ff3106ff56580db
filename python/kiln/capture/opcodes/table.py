"""The table of CPython's operations: one function for each, found by the operation's name.

Each is called with the machine, the frame and the operation's argument, and does to the frame's stack what the documentation of the module
dis says. What it gives, if not None, ends the frame's turn: ("return" or "yield", the value).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kiln.capture.values import NotReplayable

Operation = Callable[[Any, Any, int], Any]
OPERATIONS: dict[str, Operation] = {}
PAIRS: dict[str, tuple[str, str]] = {}  # operations that are two: the first has the upper bits of the argument, the second the lower four


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Adds a function under these names, by default its own. A later one of the same name takes an earlier one's place."""

    def add(function: Operation) -> Operation:
        for name in names or (function.__name__,):
            OPERATIONS[name] = function
        return function

    return add


def nothing(m: Any, f: Any, arg: int) -> None:
    """For operations without an effect, which decoding leaves out."""


def operation_named(name: str) -> Operation:
    """What does an operation; of one that is not in the table, a function that ends the recording."""
    found = OPERATIONS.get(name)
    if found is not None:
        return found

    def unknown(m: Any, f: Any, arg: int) -> None:
        raise NotReplayable(f"Python's operation {name} is not one that is recorded")

    return unknown


def pop_many(f: Any, count: int) -> list[Any]:
    if count == 0:
        return []
    values = f.stack[-count:]
    del f.stack[-count:]
    return values
