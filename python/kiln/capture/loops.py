"""Where a recording passes the head of a loop: what the program's state is there, so that `folding.py` can see that it comes again.

A recording unrolls its loops. At the head of each (where jumps backward lead, the condition behind them) a *mark* is kept: how many
instructions there are by then, the *shape* of all that the program can still reach, and the registers in it, its *leaves*. An iteration is
a function of the shape, for the interpreter never looks into registers without emitting a check. So where two marks have one shape, the
instructions between them are an iteration of any such loop, with other registers.
"""

from __future__ import annotations

import contextlib
import operator
import types
from typing import Any

from kiln.capture import operations
from kiln.capture.attributes import Bound, SuperObject
from kiln.capture.containers import CountingIterator, ListedIterator, LiveIterator
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.recording import OPS, Recording, _constant_key, instance_value
from kiln.capture.values import MISSING, Symbol, is_constant, is_tensor

MAX_MARKS = 48  # iterations of one loop whose state is kept; later ones are only compared
MAX_WALK = 20_000
_TRUTH = (OPS["unary"], operations.UNARY["TRUTH"])
_PIN = OPS["value"]


class Visit:
    """One run through a loop of one frame."""

    __slots__ = ("arrivals", "first_register", "frame", "header", "marks", "tries", "unmarked")

    def __init__(self, frame: Any, header: int, first_register: int) -> None:
        self.frame, self.header = frame, header
        self.first_register = first_register  # registers from here on were made inside
        self.arrivals = 0
        self.marks: list[Mark] = []
        self.unmarked = 0  # arrivals since the last mark
        self.tries = 0  # to leave iterations out


class Mark:
    """`own` says of each leaf whether its register is used for nothing but the leaf: no read of the recording has led to it.
    `is_behind_gap`: the iterations between the last mark and this one were left out. `is_assumed`: the shape is another mark's."""

    __slots__ = ("is_assumed", "is_behind_gap", "leaves", "own", "position", "shape")

    def __init__(
        self, position: int, shape: Any, leaves: list[int], own: list[bool], is_behind_gap: bool = False, is_assumed: bool = False
    ) -> None:
        self.position, self.shape, self.leaves, self.own = position, shape, leaves, own  # shape None: it is not known
        self.is_behind_gap, self.is_assumed = is_behind_gap, is_assumed


class Unknowable(Exception):
    """The state holds something whose own state cannot be seen."""


def arrive(machine: Any, frame: Any, header: int) -> tuple[Visit, Walk] | None:
    """The head of a loop is about to be run: the visit, and what was found on the way to its new mark. None: it has enough of them."""
    rec: Recording = machine.rec
    visit = _visit(rec, frame, header)
    visit.arrivals += 1
    if len(visit.marks) >= MAX_MARKS:
        visit.unmarked += 1
        return None
    before = visit.marks[-1].position if visit.marks else max(0, len(rec.instructions) - 3)
    data_decides = _looks_at_data(rec, before) or (frame.stack and type(frame.stack[-1]) is CountingIterator)
    if data_decides:
        _carry_numbers(machine, frame, visit)
    position = len(rec.instructions)
    shape, walk = None, Walk(rec, visit)
    if data_decides:
        with contextlib.suppress(Unknowable):
            shape = describe(machine, walk)
    visit.marks.append(Mark(position, shape, walk.leaves, walk.own))
    return visit, walk


def _visit(rec: Recording, frame: Any, header: int) -> Visit:
    """The visit that goes on, or a new one. An arrival ends what goes on inside of its loop."""
    open_visits = rec.open_loops.setdefault(id(frame), {})
    _, end = frame.program.loops[header]
    for other in [h for h in open_visits if header < h < end]:
        del open_visits[other]
    if header not in open_visits:
        open_visits[header] = Visit(frame, header, rec.count)
        rec.loops.append(open_visits[header])
    return open_visits[header]


def _looks_at_data(rec: Recording, since: int) -> bool:
    return any(op == _PIN or (op, extra) == _TRUTH for op, extra, _, _ in rec.instructions[since:])


def _carry_numbers(machine: Any, frame: Any, visit: Visit) -> None:
    """Numbers that the loop assigns become symbols: what they are in one iteration says nothing of the next."""
    read = frame.program.read_from(visit.header)
    for slot in frame.program.stored(visit.header):
        if slot in read:
            frame.locals[slot] = _carried(machine.rec, frame.locals[slot])


def _carried(rec: Recording, value: Any) -> Any:
    kind = type(value)
    if kind in (int, float):
        return operations.carried(rec, value)
    if kind is tuple and id(value) not in rec.registers:
        return tuple(_carried(rec, v) for v in value)
    if kind in (list, dict) and id(value) in rec.fresh:
        for key, v in list(enumerate(value) if kind is list else value.items()):
            value[key] = _carried(rec, v)
    return value


def describe(machine: Any, walk: Walk) -> Any:
    rec: Recording = machine.rec
    frames = tuple(walk.frame(f) for f in machine.frames if f is not walk.visit.frame)
    read = walk.visit.frame.program.read_from(walk.visit.header)
    frames = walk.frame(walk.visit.frame, read), *frames
    outside = tuple(walk.value(v) for _, _, *rest in rec.effects for v in rest if not isinstance(v, str))
    written = tuple((key, walk.value(v)) for key, v in rec.written.items())
    changed = tuple((key, walk.value(v)) for key, v in rec.mutated.items())
    return frames, outside, written, changed, len(rec.undo)


class Walk:
    """All that can be reached, as one nested tuple, and the registers in it, each once."""

    def __init__(self, rec: Recording, visit: Visit) -> None:
        self.rec, self.visit = rec, visit
        self.leaves: list[int] = []
        self.own: list[bool] = []
        self.values: list[Any] = []  # of the leaves: tensors, numbers
        self.numbers: dict[int, int] = {}  # of leaves, by register
        self.met: dict[int, int] = {}  # objects the call made, by id
        self.steps = 0
        self.loaded = {id(v) for v in rec.memo.values()}

    def leaf(self, register: int, own: bool, value: Any) -> Any:
        number = self.numbers.get(register)
        if number is None:
            number = self.numbers[register] = len(self.leaves)
            self.leaves.append(register)
            self.own.append(own)
            self.values.append(value)
        return "leaf", number, own, type(value)

    def frame(self, frame: Any, read: set[int] | None = None) -> Any:
        """`read`: the variables that matter. (Where the frames above stand does not change while the loop runs.)"""
        return (
            id(frame.program),
            frame.keywords,
            tuple(id(e) for e in frame.handled),
            tuple(self.value(v) for slot, v in enumerate(frame.locals) if read is None or slot in read),
            tuple(self.value(v) for v in frame.stack),
        )

    def value(self, value: Any) -> Any:
        self.steps += 1
        if self.steps > MAX_WALK:
            raise Unknowable
        rec, kind = self.rec, type(value)
        if value is MISSING:
            return "missing"
        if kind is Symbol:
            return self.leaf(value.register, value.register >= self.visit.first_register, value.value)
        register = rec.registers.get(id(value))
        if is_tensor(value):
            if register is None:
                raise Unknowable
            return self.leaf(register, id(value) in rec.fresh or id(value) not in self.loaded, value)
        if id(value) in rec.fresh and kind is not tuple:
            if id(value) in self.met:
                return "again", self.met[id(value)]
            self.met[id(value)] = len(self.met)
            return self.made(value, kind)
        if kind is tuple and not is_constant(value) and register is None:
            return "tuple", tuple(self.value(v) for v in value)
        if register is not None:
            return self.leaf(register, False, value) if register >= 0 else ("constant", id(value))
        if kind is slice:
            return "slice", self.value(value.start), self.value(value.stop), self.value(value.step)
        if kind is range:
            return "range", value.start, value.stop, value.step
        if is_constant(value):
            return "constant", _constant_key(value)
        if kind is Bound:
            return "bound", self.value(value.function), self.value(value.receiver)
        if kind is SuperObject:
            return "super", id(value.start), self.value(value.receiver)
        raise Unknowable

    def made(self, value: Any, kind: type) -> Any:
        rec = self.rec
        if kind in (list, tuple):
            return kind, tuple(self.value(v) for v in value)
        if kind is dict:
            return kind, tuple((self.value(k), self.value(v)) for k, v in value.items())
        if kind is set and all(is_constant(v) for v in value):
            return kind, tuple(_constant_key(v) for v in value)
        if kind is types.CellType:
            try:
                return kind, self.value(value.cell_contents)
            except ValueError:
                return kind, "empty"
        if kind is types.FunctionType:
            parts = (value.__defaults__ or (), tuple((value.__kwdefaults__ or {}).items()), value.__closure__ or ())
            return kind, id(value.__code__), tuple(tuple(self.value(v) for v in part) for part in parts)
        if kind is types.MethodType:
            return kind, self.value(value.__func__), self.value(value.__self__)
        if kind is LiveIterator:
            return kind, self.value(value.source), value.index
        if kind is CountingIterator:
            return kind, self.value(value.next), self.value(value.stop), value.step
        if kind is ListedIterator:
            left = operator.length_hint(value.items, -1)
            if left < 0:
                raise Unknowable
            return kind, id(value), left
        if kind is InterpretedGenerator:
            return kind, value.started, value.finished, value.frame.index, self.frame(value.frame)
        held = getattr(value, "__dict__", None)
        if (
            held is None
            or isinstance(value, (list, dict, set, tuple, BaseException))
            or any("__slots__" in vars(c) for c in kind.__mro__[:-1])
        ):
            raise Unknowable
        names = {*held, *(name for target, name in rec.written if target == id(value))}
        return kind, tuple((n, self.value(rec.written.get((id(value), n), instance_value(value, n)))) for n in sorted(names))
