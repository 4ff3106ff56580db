"""Iterations that a recording need not go through: once those so far make a loop (`folding.py`), it is run as replays run it, from where
the recording is, up to the first iteration that goes another way or leaves. The interpreter goes on there.

What the loop changes has registers of its own behind the *gap*, as if it had just been made. When the recording is folded, the gap is
between two iterations, and nothing asks how many there were. A recording whose gap is not inside of a folded loop is given up.
"""

from __future__ import annotations

import contextlib
import functools
import time
import types
from typing import Any

from kiln import _core
from kiln.capture import folding, loops
from kiln.capture.containers import CountingIterator
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.loops import Mark, Unknowable, Visit, Walk, describe
from kiln.capture.opcodes.table import Operation
from kiln.capture.recording import OPS, Recording, instance_value
from kiln.capture.values import Again, Symbol, is_constant, is_tensor

FIRST_TRY = 16  # arrivals at a loop's head
MOST_TRIES = 12


def at_head(operation: Operation, head: int) -> Operation:
    """An operation at the head of a loop, which is arrived at first."""

    @functools.wraps(operation)
    def arriving(machine: Any, frame: Any, argument: int) -> Any:
        marked = loops.arrive(machine, frame, head)
        if marked is not None and is_due(machine.rec, marked[0]):
            skip(machine, *marked)
        return operation(machine, frame, argument)

    return arriving


def is_due(rec: Recording, visit: Visit) -> bool:
    marks = visit.marks
    if visit.arrivals < FIRST_TRY or visit.tries >= MOST_TRIES or not rec.memory.skips or rec.sampled:
        return False
    return marks[-1].shape is not None and marks[-1].shape == marks[-2].shape


def skip(machine: Any, visit: Visit, walk: Walk) -> None:
    """`walk`: of the visit's last mark, at which the machine is."""
    rec: Recording = machine.rec
    visit.tries += 1
    loop = folding.iterations(rec, visit)
    if loop is None or loop.root is None:
        return
    start = time.thread_time()
    mark = visit.marks[-1]
    first = loop.count  # of registers for what the first iteration begins with
    held = {first + n: walk.values[i] for n, i in enumerate(loop.changing)}
    hoisted = [instruction for _, instruction in loop.hoisted]
    body = loop.body()
    known = {rec.registers[id(v)]: v for v in rec.alive if id(v) in rec.registers} | dict(zip(mark.leaves, walk.values, strict=True))
    made = {*body[0], *(i[2] for i in (*hoisted, *body[1]))}
    for operand in {o for i in (*hoisted, *body[1]) for o in i[3]}:
        if operand >= 0 and operand not in made:
            if operand not in known:
                return
            held[operand] = known[operand]
    instructions = [*hoisted, (OPS["loop"], 0, -1, list(range(first, first + len(loop.changing))), body)]
    after = _core.skip_iterations(rec.memory.captured, instructions, first + len(loop.changing), held)
    if after is not None and not all(v is walk.values[i] for v, i in zip(after, loop.changing, strict=True)):
        _go_on_with(machine, visit, {mark.leaves[i]: v for v, i in zip(after, loop.changing, strict=True)})
    rec.timer.leave_out(time.thread_time() - start)


def _go_on_with(machine: Any, visit: Visit, values: dict[int, Any]) -> None:
    """Puts values in the places of those that had the registers at the last mark, and marks the same place again."""
    rec: Recording = machine.rec
    mark = visit.marks[-1]
    new: dict[int, Any] = {}
    for register, value in values.items():
        number, rec.count = rec.count, rec.count + 1
        if not is_tensor(value):
            new[register] = Symbol(value, number)
        elif id(value) in rec.registers:
            new[register] = value
        else:
            new[register] = rec.know(value, number)
            rec.fresh.add(id(value))
    places = _Places(rec, new)
    for frame in machine.frames:
        frame.locals[:] = map(places.value, frame.locals)
        frame.stack[:] = map(places.value, frame.stack)
    walk = Walk(rec, visit)
    try:
        shape = describe(machine, walk)
    except Unknowable:
        shape = None
    wanted = [rec.operand(new[r]) if r in new else r for r in mark.leaves]
    if shape != mark.shape or walk.leaves != wanted:
        rec.memory.skips = False
        raise Again("what a loop changes could not be put in its place")
    visit.marks.append(Mark(mark.position, shape, walk.leaves, walk.own, is_behind_gap=True))
    visit.unmarked = 0
    rec.gaps.append((mark.position, visit))


class _Places:
    """Everything that the program can reach, with other values where registers say so. Containers and instances that the call made stay,
    and hold the others."""

    def __init__(self, rec: Recording, new: dict[int, Any]) -> None:
        self.rec, self.new = rec, new
        self.met: set[int] = set()

    def value(self, value: Any) -> Any:
        rec, kind = self.rec, type(value)
        if kind is Symbol:
            return self.new.get(value.register, value)
        if is_tensor(value):
            return self.new.get(rec.registers.get(id(value), -1), value)
        if kind is tuple and id(value) not in rec.registers and not is_constant(value):
            return tuple(map(self.value, value))
        if id(value) in rec.fresh and id(value) not in self.met:
            self.met.add(id(value))
            self.inside(value, kind)
        return value

    def inside(self, value: Any, kind: type) -> None:
        rec = self.rec
        if kind is list:
            value[:] = map(self.value, value)
        elif kind is dict:
            for key, item in value.items():
                value[key] = self.value(item)
        elif kind is CountingIterator:
            value.next = self.value(value.next)
        elif kind is InterpretedGenerator:
            value.frame.locals[:] = map(self.value, value.frame.locals)
            value.frame.stack[:] = map(self.value, value.frame.stack)
        elif kind is types.CellType:
            with contextlib.suppress(ValueError):  # an empty one
                value.cell_contents = self.value(value.cell_contents)
        elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, type):
            for name in {*value.__dict__, *(name for target, name in rec.written if target == id(value))}:
                before = rec.written.get((id(value), name), instance_value(value, name))
                after = self.value(before)
                if after is not before:
                    rec.written[id(value), name] = after
                    object.__setattr__(value, name, after.value if type(after) is Symbol else after)
