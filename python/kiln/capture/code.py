"""Code objects as lists of instructions, decoded once."""

from __future__ import annotations

import bisect
import functools
import inspect
import opcode
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass

from kiln.capture.opcodes import KNOWN_VERSIONS, PAIRS, Operation, nothing, operation_named
from kiln.capture.skipping import at_head
from kiln.capture.values import NotReplayable


@dataclass(frozen=True)
class Handler:
    """An entry of the exception table: for instructions [start, end), where to go, with how much left on the stack."""

    start: int
    end: int
    target: int
    depth: int
    keeps_place: bool


@dataclass
class Program:
    """A function's instructions, without those that do nothing. Places are their numbers; a jump's argument is the place where it goes."""

    code: types.CodeType
    names: list[str]
    operations: list[Operation]
    arguments: list[int]
    lines: list[int | None]
    handlers: list[Handler]
    locals: tuple[str, ...]  # in the order of the frame's slots: variables, cells, free variables
    loops: dict[int, tuple[int, int]]  # the heads of loops that a condition ends, and their first and last instructions
    read_at: dict[int, set[int]]

    def stored(self, head: int) -> list[int]:
        """The slots of variables that a loop assigns."""
        first, last = self.loops[head]
        return sorted({self.arguments[i] for i in range(first, last + 1) if self.names[i] == "STORE_FAST"})

    def read_from(self, start: int) -> set[int]:
        """The slots of variables that may be read, from an instruction on, before they are assigned."""
        if start not in self.read_at:
            self.read_at[start] = _read_from(self, start)
        return self.read_at[start]


@functools.lru_cache(maxsize=4096)
def decode(code: types.CodeType) -> Program:
    if sys.version_info[:2] not in KNOWN_VERSIONS:
        raise NotReplayable(f"the byte code of CPython {sys.version_info[0]}.{sys.version_info[1]} is not known")
    names, operations, arguments, offsets, targets = [], [], [], [], []
    for offset, after, number, argument in _instructions(code.co_code):
        if number in _JUMPS:
            argument = after - argument if number in _BACKWARD else after + argument
        for name, part in _parts(opcode.opname[number], argument):
            operation = operation_named(name)
            if operation is nothing:
                continue
            if number in _JUMPS:
                targets.append(len(operations))
            names.append(name)
            operations.append(operation)
            arguments.append(part)
            offsets.append(offset)
    for place in targets:
        arguments[place] = bisect.bisect_left(offsets, arguments[place])
    lines: list[int | None] = [None] * len(operations)
    for start, end, line in code.co_lines():
        for place in range(bisect.bisect_left(offsets, start // 2), bisect.bisect_left(offsets, end // 2)):
            lines[place] = line
    cells = tuple(c for c in code.co_cellvars if c not in code.co_varnames)
    handlers = _handlers(code.co_exceptiontable, offsets)
    loops = _loops(names, arguments)
    for head in loops:
        operations[head] = at_head(operations[head], head)
    return Program(code, names, operations, arguments, lines, handlers, code.co_varnames + cells + code.co_freevars, loops, {})


def _parts(name: str, argument: int) -> list[tuple[str, int]]:
    if name not in PAIRS:
        return [(name, argument)]
    first, second = PAIRS[name]
    return [(first, argument >> 4), (second, argument & 15)]


def _loops(names: list[str], arguments: list[int]) -> dict[int, tuple[int, int]]:
    """`continue` may lead to a condition before the body: of jumps that cross, the one to the later place is the loop's."""
    ends = {arguments[i]: i for i, name in enumerate(names) if "JUMP_BACKWARD" in name and name != "JUMP_BACKWARD_NO_INTERRUPT"}
    firsts = [h for h in ends if names[h] != "FOR_ITER"]
    counted = {h: (h, end) for h, end in ends.items() if names[h] == "FOR_ITER"}
    loops = {h: ends[h] for h in firsts if not any(h < other <= ends[h] < ends[other] for other in firsts)}
    heads: dict[int, tuple[int, int]] = {}
    for first, end in sorted(loops.items()):
        heads.setdefault(_head(names, arguments, first, end), (first, end))
    return heads | counted


def _head(names: list[str], arguments: list[int], first: int, end: int) -> int:
    """Where each iteration comes by and knows that there is one: behind the condition, if the loop begins with one. (Up to 3.13 a condition
    stands before a loop, and again at its end.)"""
    if names[end] != "JUMP_BACKWARD":
        return first
    goes_on = set()  # places where a part of the condition leads that suffices
    for at in range(first, end):
        conditional = names[at].startswith("POP_JUMP_")
        if names[at] in _LEAVING or ((names[at] == "JUMP_FORWARD" or conditional) and arguments[at] > end):
            # A condition right before the jump was met before the loop as well: the first iteration knows too.
            return at + 1 if goes_on <= {at + 1} and (conditional or goes_on) and at + 1 != end else first
        if conditional:
            goes_on.add(arguments[at])
        elif opcode.opmap[names[at]] in _JUMPS:
            break
    return first


def _successors(program: Program, at: int) -> list[int]:
    name = program.names[at]
    if name in _LEAVING:
        after = []
    elif opcode.opmap[name] in _JUMPS:
        after = [program.arguments[at]] if name.startswith("JUMP_") and "IF" not in name else [at + 1, program.arguments[at]]
    else:
        after = [at + 1]
    return after + [h.target for h in program.handlers if h.start <= at < h.end]


def _read_from(program: Program, start: int) -> set[int]:
    """By going over all ways until nothing is added: what is read at an instruction, and what is read behind it and not assigned at it."""
    count = len(program.names)
    reads: list[set[int]] = [set() for _ in range(count)]
    every = set(range(len(program.locals)))
    changed = True
    while changed:
        changed = False
        for at in range(count - 1, -1, -1):
            name, argument = program.names[at], program.arguments[at]
            behind: set[int] = set().union(*(reads[s] for s in _successors(program, at) if s < count))
            if name == "STORE_FAST":
                behind.discard(argument)
            elif name in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_AND_CLEAR", "DELETE_FAST"):
                behind.add(argument)
            elif "FAST" in name or name in ("LOAD_CLOSURE", "MAKE_CELL"):
                behind = every
            if behind != reads[at]:
                reads[at], changed = behind, True
    return reads[start] | set(range(len(program.code.co_varnames), len(program.locals)))


_LEAVING = ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE")
_JUMPS = frozenset(opcode.hasjrel)
_BACKWARD = frozenset(number for number in opcode.hasjrel if "BACKWARD" in opcode.opname[number])
_CACHE, _EXTENDED_ARG = opcode.opmap["CACHE"], opcode.opmap["EXTENDED_ARG"]


def _instructions(raw: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Each instruction: its offset and that of the next one, which jumps count from; its number; its argument. Offsets are in units of two
    bytes, as in the exception table."""
    after, extended = 0, 0
    while after < len(raw) // 2:
        offset, number, argument = after, raw[2 * after], raw[2 * after + 1] | extended
        after += 1
        if number == _EXTENDED_ARG:
            extended = argument << 8
            continue
        while after < len(raw) // 2 and raw[2 * after] == _CACHE:
            after += 1
        extended = 0
        yield offset, after, number, argument


def _handlers(table: bytes, offsets: list[int]) -> list[Handler]:
    """The exception table, as CPython's Objects/exception_handling_notes.txt lays it out: numbers of six bits a byte, the highest first."""
    handlers = []
    position = 0

    def number() -> int:
        nonlocal position
        byte = table[position]
        position += 1
        value = byte & 63
        while byte & 64:
            byte = table[position]
            position += 1
            value = value << 6 | byte & 63
        return value

    while position < len(table):
        start, length, target, depth = number(), number(), number(), number()
        start, end, target = (bisect.bisect_left(offsets, offset) for offset in (start, start + length, target))
        handlers.append(Handler(start, end, target, depth >> 1, bool(depth & 1)))
    return handlers


def is_interpretable(code: types.CodeType) -> bool:
    return not code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE)
