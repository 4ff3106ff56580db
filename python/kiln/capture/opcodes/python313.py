"""What CPython 3.13 does otherwise than 3.12: callables below what they are bound to, truth as an operation, functions made in steps."""

from __future__ import annotations

import builtins
import types
from typing import Any

from kiln.capture import functions
from kiln.capture.attributes import Bound
from kiln.capture.opcodes import arithmetic, variables
from kiln.capture.opcodes.calls import call_named, call_unpacked
from kiln.capture.opcodes.python312 import attribute_operations
from kiln.capture.opcodes.table import PAIRS, operation, pop_many
from kiln.capture.values import MISSING

# ---- variables ---------------------------------------------------------------------------------------------------------


PAIRS.update(
    LOAD_FAST_LOAD_FAST=("LOAD_FAST", "LOAD_FAST"),
    STORE_FAST_LOAD_FAST=("STORE_FAST", "LOAD_FAST"),
    STORE_FAST_STORE_FAST=("STORE_FAST", "STORE_FAST"),
)


@operation()
def LOAD_GLOBAL(m, f, arg):
    f.stack.append(m.global_value(f, f.program.code.co_names[arg >> 1]))
    if arg & 1:
        f.stack.append(MISSING)


# ---- operators, loops, formats -----------------------------------------------------------------------------------------


@operation()
def TO_BOOL(m, f, arg):
    f.stack[-1] = m.truth(f.stack[-1])


@operation()
def COMPARE_OP(m, f, arg):
    arithmetic.COMPARE_OP(m, f, arg >> 5)
    if arg & 16:
        TO_BOOL(m, f, 0)


operation("END_FOR")(variables.POP_TOP)


@operation()
def CONVERT_VALUE(m, f, arg):
    convert = (None, builtins.str, builtins.repr, builtins.ascii)[arg]
    f.stack.append(m.call(convert, (f.stack.pop(),)))


@operation()
def FORMAT_SIMPLE(m, f, arg):
    if type(f.stack[-1]) is not str:
        f.stack.append(m.call(builtins.format, (f.stack.pop(), "")))


@operation()
def FORMAT_WITH_SPEC(m, f, arg):
    f.stack.append(m.call(builtins.format, tuple(pop_many(f, 2))))


# ---- attributes, calls, functions --------------------------------------------------------------------------------------


def push_callable(f: Any, value: Any) -> None:
    """What CALL takes: a function and what it is bound to, or a callable and nothing."""
    f.stack += [value.function, value.receiver] if type(value) is Bound else [value, MISSING]


attribute_operations(push_callable)


def _pop_call(f: Any, count: int) -> tuple[Any, list[Any]]:
    """The callable, and its arguments with what it is bound to."""
    function, *arguments = pop_many(f, count + 2)
    if arguments[0] is MISSING:
        del arguments[0]
    return function, arguments


@operation()
def CALL(m, f, arg):
    function, arguments = _pop_call(f, arg)
    f.stack.append(m.call(function, tuple(arguments)))


@operation()
def CALL_KW(m, f, arg):
    names = f.stack.pop()
    function, arguments = _pop_call(f, arg)
    f.stack.append(call_named(m, function, arguments, names))


@operation()
def CALL_FUNCTION_EX(m, f, arg):
    keywords = f.stack.pop() if arg & 1 else MISSING
    function, _, arguments = pop_many(f, 3)
    f.stack.append(call_unpacked(m, function, arguments, keywords))


@operation()
def MAKE_FUNCTION(m, f, arg):
    code = f.stack.pop()
    unbound = tuple(types.CellType() for _ in code.co_freevars)  # until SET_FUNCTION_ATTRIBUTE
    f.stack.append(functions.make(m, f, code, unbound or None))


@operation()
def SET_FUNCTION_ATTRIBUTE(m, f, arg):
    made = f.stack.pop()
    value = f.stack.pop()
    if arg == 1:
        made.__defaults__ = value
    elif arg == 2:
        made.__kwdefaults__ = value
    elif arg == 4:
        functions.annotate(made, value)
    elif arg == 8:
        annotations = made.__annotations__
        made = functions.make(m, f, made.__code__, value, made.__kwdefaults__, made.__defaults__)
        functions.annotate(made, annotations)
    elif arg == 16:  # from 3.14 on
        made.__annotate__ = value
    f.stack.append(made)
