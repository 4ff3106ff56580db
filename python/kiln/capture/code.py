"""Code objects as lists of instructions, decoded once."""

from __future__ import annotations

import functools
import inspect
import opcode
import types
from dataclasses import dataclass


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
    code: types.CodeType
    names: list[str]  # of each instruction's operation
    arguments: list[int]
    lines: list[int | None]
    handlers: list[Handler]
    locals: tuple[str, ...]  # in the order of the frame's slots: variables, cells, free variables


@functools.lru_cache(maxsize=4096)
def decode(code: types.CodeType) -> Program:
    raw = code.co_code
    names, arguments, lines = [], [], []
    extended = 0
    for i in range(0, len(raw), 2):
        name, argument = opcode.opname[raw[i]], raw[i + 1] | extended
        extended = argument << 8 if name == "EXTENDED_ARG" else 0
        names.append(name)
        arguments.append(argument)
        lines.append(None)
    for start, end, line in code.co_lines():
        for i in range(start // 2, min(end // 2, len(names))):
            lines[i] = line
    cells = tuple(c for c in code.co_cellvars if c not in code.co_varnames)
    return Program(code, names, arguments, lines, _handlers(code.co_exceptiontable), code.co_varnames + cells + code.co_freevars)


def _handlers(table: bytes) -> list[Handler]:
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
        handlers.append(Handler(start, start + length, target, depth >> 1, bool(depth & 1)))
    return handlers


def is_interpretable(code: types.CodeType) -> bool:
    return not code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE)
