"""Jumps, whose argument is the place to go on at, and the iteration of loops."""

from __future__ import annotations

from typing import Any

from kiln.capture import containers
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.opcodes.table import operation
from kiln.capture.values import MISSING


@operation("JUMP_FORWARD")
def jump(m, f, arg):
    f.index = arg


@operation("JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
def jump_backward(m, f, arg):
    m.rec.timer.step()
    f.index = arg


def _pop_jump(condition: str, test: Any) -> None:
    @operation(f"POP_JUMP_IF_{condition}", f"POP_JUMP_FORWARD_IF_{condition}", f"POP_JUMP_BACKWARD_IF_{condition}")
    def pop_jump(m, f, arg):
        if test(m, f.stack.pop()):
            if arg < f.index:
                m.rec.timer.step()
            f.index = arg


_pop_jump("TRUE", lambda m, v: m.truth(v))
_pop_jump("FALSE", lambda m, v: not m.truth(v))
_pop_jump("NONE", lambda m, v: v is None)
_pop_jump("NOT_NONE", lambda m, v: v is not None)


@operation()
def JUMP_IF_TRUE_OR_POP(m, f, arg):
    if m.truth(f.stack[-1]):
        f.index = arg
    else:
        f.stack.pop()


@operation()
def JUMP_IF_FALSE_OR_POP(m, f, arg):
    if m.truth(f.stack[-1]):
        f.stack.pop()
    else:
        f.index = arg


@operation()
def GET_ITER(m, f, arg):
    f.stack.append(containers.iterator(m, f.stack.pop()))


@operation()
def GET_YIELD_FROM_ITER(m, f, arg):
    if not isinstance(f.stack[-1], InterpretedGenerator):
        f.stack.append(containers.iterator(m, f.stack.pop()))


@operation()
def FOR_ITER(m, f, arg):
    value = containers.advance(m, f.stack[-1])
    if value is MISSING:
        f.stack.pop()
        f.index = arg
    else:
        f.stack.append(value)
