"""Generators: made by calls, resumed by whoever asks for a value."""

from __future__ import annotations

from typing import Any

from kiln.capture import containers
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.opcodes.table import operation
from kiln.capture.values import MISSING


@operation()
def RETURN_GENERATOR(m, f, arg):
    f.stack.append(None)  # which the first POP_TOP takes
    return "return", m.rec.make(InterpretedGenerator(m, f))


@operation()
def YIELD_VALUE(m, f, arg):
    return "yield", f.stack.pop()


@operation()
def SEND(m, f, arg):
    given, result = resume(m, f)
    if given is MISSING:
        f.stack[-1] = result
        f.index = arg
    else:
        f.stack.append(given)


def resume(m: Any, f: Any) -> tuple[Any, Any]:
    """Sends what is on the stack to the generator or iterator below it: the next value, or MISSING and what was returned."""
    value = f.stack.pop()
    source = f.stack[-1]
    if not isinstance(source, InterpretedGenerator):
        return containers.advance(m, source), None
    given = source.send(value)
    return given, source.frame.stack[-1] if given is MISSING and source.frame.stack else None
