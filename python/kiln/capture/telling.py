"""What explain() says of recordings: how many, why another was made, what they check, and why a call ran in Python."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kiln import _core
from kiln.capture.values import MISSING, is_constant


@dataclass(frozen=True)
class Recompile:
    """A call that no recording fitted."""

    path: str  # what was not as recorded, as a reader of the source would write it
    before: str
    now: str
    milliseconds: float
    is_input: bool  # a number that recordings take as it comes from here on
    check: str = ""  # the kind of guard that failed: "value", "type", "code" ...

    def what(self) -> str:
        return f"{self.path} was {self.before}, is {self.now}"

    def advice(self) -> str:
        """How it could be avoided."""
        if self.is_input:
            return "it is an input of the recordings from here on"
        return _ADVICE.get(self.check, "each way that it can be costs one recording; keep it as it is between calls, or split the function")

    def __str__(self) -> str:
        return f"recorded again in {self.milliseconds:.1f} ms: {self.what()}; {self.advice()}"


_ADVICE = {
    "value": "each value costs one recording; pass it as a tensor, or capture one function for each value",
    "type": "each type costs one recording; call it with one, or capture one function for each",
    "same": "make the object once, outside, and change what is in it",
    "length": "each length costs one recording; stack the items to one tensor, or keep their number",
    "keys": "each set of keys costs one recording; keep the keys and change the values",
    "arguments": "call it with the same number of arguments and the same names",
    "code": "define the function once, outside of the loop",
    "off_tape": "gradients were wanted of some calls and not of others: one recording for each",
}

# Of reasons to run in Python: what they contain, and what helps. (docs/capture.md has them for readers.)
_HINTS = (
    ("kn.disable keeps", "capture what comes before and after it as functions of their own"),
    ("not known to do nothing but compute", "call it outside of the captured function, or use Kiln's operator of the same meaning"),
    ("not known where", "pass it as an argument, or read it from an attribute or a global variable"),
    ("on the tape", "write under kn.no_grad()"),
    (
        "ms to record",
        "have data decide the loop's end, or call it with mode='replay'; it is tried again when that is a small share of the time",
    ),
    ("left it", "nothing has to be done: calls that raise run in Python, others replay"),
    ("recordings were made", "give what differs as a tensor, or split the function"),
    ("is not one that is recorded", "move that statement out of the captured function"),
    ("generator", "make a list of what it gives, outside"),
    ("of ndarray", "make it a tensor once, outside: kn.asarray"),
    ("ndarray", "make it a tensor once, outside: kn.asarray"),
)


def helps(reason: str) -> str:
    """What helps against a reason to run in Python; empty where nothing is known to."""
    return next((advice for part, advice in _HINTS if part in reason), "")


def hint(reason: str) -> str:
    """The same at the end of a line, behind a semicolon."""
    return f"; {helps(reason)}" if helps(reason) else ""


@dataclass
class Loop:
    """A loop that data decides, in a recording."""

    number: int
    iterations: int  # that ran without Python's objects
    text: Callable[[str], str] | None = field(repr=False)

    @property
    def is_compiled(self) -> bool:
        """Is the whole loop one piece of machine code?"""
        return self.text is not None

    def as_text(self, what: str = "kernels") -> str:
        """What an iteration computes ("kernels"), or the machine code of the whole loop ("asm"); empty if it is not compiled as a whole."""
        if what not in ("kernels", "asm"):
            raise ValueError(f"as_text: a loop has the forms kernels and asm, not {what!r}")
        return self.text(what) if self.text is not None else ""

    @property
    def how(self) -> str:
        if not self.iterations:
            return "its instructions are run one by one, or none was reached yet"
        return "the whole loop is one piece of machine code" if self.is_compiled else "its programs are launched one by one"

    def __str__(self) -> str:
        return f"loop {self.number}: {self.iterations} iterations ran without Python's objects; {self.how}"


@dataclass
class Capture:
    """What is known of a function's recordings."""

    replays: int = 0  # calls that ran without Python
    recordings: int = 0
    recompiles: list[Recompile] = field(default_factory=list)
    fallbacks: dict[str, int] = field(default_factory=dict)  # "file.py:12: why it cannot be replayed" -> recordings given up for it
    guards: list[str] = field(default_factory=list)
    lost: dict[str, float] = field(default_factory=dict)  # of the fallbacks: milliseconds of recordings that were given up
    loops: list[Loop] = field(default_factory=list)

    def text(self) -> str:
        lines = []
        if self.recordings:
            lines.append(f"{self.replays} calls ran without Python; {self.recordings} recordings check {len(self.guards)} things")
        lines += map(str, self.loops)
        lines += [str(r) for r in self.recompiles]
        lines += [f"Python runs: {reason} ({self.lost.get(reason, 0.0):.1f} ms lost){hint(reason)}" for reason in self.fallbacks]
        return "".join(f"\n  {line}" for line in lines)


def capture_of(captured: Any, replays: int) -> Capture:
    """Of a function that kiln.jit made."""
    memory = vars(captured).get("_memory") if captured is not None else None
    if memory is None:
        return Capture(replays)
    guards = _guards(captured, memory)
    return Capture(replays, memory.recordings, list(memory.recompiles), dict(memory.reasons), guards, dict(memory.lost), _loops(captured))


def _loops(captured: Any) -> list[Loop]:
    return [Loop(n, iterations, text) for n, (iterations, text) in enumerate(_core.replay_loops(captured))]


def short(value: Any) -> str:
    """A value on one line, of at most 60 characters; objects by what they are."""
    if value is MISSING:
        return "not there"
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
    "no_own_attribute": "is not there",
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
