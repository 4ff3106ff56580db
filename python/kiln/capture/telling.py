"""What explain() says of recordings: how many, why another was made, what they check, and why a call ran in Python."""

from __future__ import annotations

import os
import sys
import types
from dataclasses import dataclass, field
from typing import Any

from kiln import _core
from kiln.capture.values import is_constant


@dataclass(frozen=True)
class Recompile:
    """A call that no recording fitted."""

    path: str  # what was not as recorded, as a reader of the source would write it
    before: str
    now: str
    milliseconds: float
    is_input: bool  # a number that recordings take as it comes from here on

    def __str__(self) -> str:
        hint = "; it is an input of the recordings from here on" if self.is_input else ""
        return f"recorded again in {self.milliseconds:.1f} ms: {self.path} was {self.before}, is {self.now}{hint}"


@dataclass
class Capture:
    """What is known of a function's recordings."""

    replays: int = 0  # calls that ran without Python
    recordings: int = 0
    recompiles: list[Recompile] = field(default_factory=list)
    fallbacks: dict[str, int] = field(default_factory=dict)  # "file.py:12: why it cannot be replayed" -> recordings given up for it
    guards: list[str] = field(default_factory=list)

    def text(self) -> str:
        lines = []
        if self.recordings:
            lines.append(f"{self.replays} calls ran without Python; {self.recordings} recordings check {len(self.guards)} things")
        lines += [str(r) for r in self.recompiles]
        lines += [f"Python runs: {reason}" for reason in self.fallbacks]
        return "".join(f"\n  {line}" for line in lines)


def capture_of(captured: Any, replays: int) -> Capture:
    """Of a function that kiln.jit made."""
    memory = vars(captured).get("_memory") if captured is not None else None
    if memory is None:
        return Capture(replays)
    return Capture(replays, memory.recordings, list(memory.recompiles), dict(memory.reasons), _guards(captured, memory))


def short(value: Any) -> str:
    """A value on one line, of at most 60 characters; objects by what they are."""
    if isinstance(value, type):
        return value.__qualname__
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, _core.Operator)):
        return getattr(value, "__qualname__", value.__name__)
    if isinstance(value, types.CodeType):
        return f"the code at line {value.co_firstlineno}"
    if is_constant(value):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"a {type(value).__qualname__}"


_SAYS = {
    "type": "is a {}",
    "value": "== {}",
    "same": "is {}",
    "length": "has {} items",
    "keys": "has the keys {}",
    "dict_item": "is {}",
    "item": "is {}",
    "cell": "is {}",
    "code": "is {}",
    "class_attribute": "is {}",
    "own_class_attribute": "is {}",
    "class_bases": "are {}",
    "method": "is {}",
    "no_class_attribute": "is not there",
    "no_own_class_attribute": "is not there",
    "no_attribute": "is not there",
    "no_item": "is not there",
    "distinct": "are two objects",
}


def _guards(captured: Any, memory: Any) -> list[str]:
    instructions, constants = _core.replay_instructions(captured)
    guards = []
    for (op, extra, result, operands, *_), path in zip(instructions, memory.paths, strict=False):
        if path is None or op not in _SAYS or (result >= 0 and not extra):
            continue
        expected = operands[-1]
        value = short(constants[~expected]) if expected < 0 else "the object that it was"
        guards.append(f"{path} {_SAYS[op].format(value)}")
    return guards


def note_once(memory: Any, name: str, reason: str) -> None:
    """One line on standard error, once a function, where KILN_LOG asks for it."""
    if os.environ.get("KILN_LOG", "0") not in ("", "0") and not memory.told:
        memory.told = True
        print(f"kiln: {name} runs in Python: {reason}", file=sys.stderr)
