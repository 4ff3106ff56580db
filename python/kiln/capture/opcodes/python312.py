"""What CPython 3.12 does otherwise than 3.11: inlined comprehensions, methods as attributes, super() in one operation, slices."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from kiln.capture import attributes, containers, operations
from kiln.capture.attributes import SuperObject
from kiln.capture.opcodes import arithmetic, building, variables
from kiln.capture.opcodes.calls import push_callable
from kiln.capture.opcodes.generators import resume
from kiln.capture.opcodes.table import operation, pop_many
from kiln.capture.values import MISSING, NotReplayable

operation("LOAD_FAST_CHECK")(variables.LOAD_FAST)


@operation()
def LOAD_FAST_AND_CLEAR(m, f, arg):
    f.stack.append(f.locals[arg])
    f.locals[arg] = MISSING


@operation()
def RETURN_CONST(m, f, arg):
    return "return", f.program.code.co_consts[arg]


@operation()
def COMPARE_OP(m, f, arg):
    arithmetic.COMPARE_OP(m, f, arg >> 4)


@operation()
def BINARY_SLICE(m, f, arg):
    container, *ends = pop_many(f, 3)
    f.stack.append(containers.get_item(m, container, slice(*ends)))


@operation()
def STORE_SLICE(m, f, arg):
    value, container, *ends = pop_many(f, 4)
    containers.set_item(m, container, slice(*ends), value)


# ---- loops and generators ----------------------------------------------------------------------------------------------


@operation()
def FOR_ITER(m, f, arg):
    """At its end the iterator stays, and above it is the place of an item: END_FOR takes both."""
    item = containers.advance(m, f.stack[-1])
    f.stack.append(item)
    if item is MISSING:
        f.index = arg


@operation()
def END_FOR(m, f, arg):
    del f.stack[-2:]


@operation()
def SEND(m, f, arg):
    given, result = resume(m, f)
    f.stack.append(result if given is MISSING else given)
    if given is MISSING:
        f.index = arg


@operation()
def END_SEND(m, f, arg):
    del f.stack[-2]


# ---- attributes --------------------------------------------------------------------------------------------------------


def attribute_of_super(m: Any, f: Any, arg: int) -> Any:
    """super().name or super(start, receiver).name, whatever the program has under the name `super`."""
    found, start, receiver = pop_many(f, 3)
    proxy = SuperObject(start, receiver) if found is builtins.super else m.call(found, (start, receiver) if arg & 2 else ())
    return attributes.get_attribute(m, proxy, f.program.code.co_names[arg >> 2], method=bool(arg & 1))


def attribute_operations(push: Callable[[Any, Any], None]) -> None:
    """LOAD_ATTR and LOAD_SUPER_ATTR; `push` leaves on a frame's stack what is about to be called, as the version's CALL takes it."""

    @operation()
    def LOAD_ATTR(m, f, arg):
        name = f.program.code.co_names[arg >> 1]
        if arg & 1:
            push(f, attributes.get_attribute(m, f.stack.pop(), name, method=True))
        else:
            f.stack.append(attributes.get_attribute(m, f.stack.pop(), name))

    @operation()
    def LOAD_SUPER_ATTR(m, f, arg):
        value = attribute_of_super(m, f, arg)
        if arg & 1:
            push(f, value)
        else:
            f.stack.append(value)


attribute_operations(push_callable)


# ---- intrinsic functions -----------------------------------------------------------------------------------------------


def _positive(m: Any, f: Any) -> None:
    f.stack.append(operations.unary(m, "UNARY_POSITIVE", f.stack.pop()))


# By the numbers of Include/internal/pycore_intrinsics.h. The third makes another error of a StopIteration that leaves a generator: so does
# InterpretedGenerator.send, for all versions.
_INTRINSICS = {3: lambda m, f: None, 5: _positive, 6: lambda m, f: building.LIST_TO_TUPLE(m, f, 0)}


@operation()
def CALL_INTRINSIC_1(m, f, arg):
    run = _INTRINSICS.get(arg)
    if run is None:
        raise NotReplayable(f"Python's intrinsic function {arg} is not one that is recorded")
    run(m, f)
