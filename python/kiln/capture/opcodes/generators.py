"""Generators: made by calls, resumed by whoever asks for a value."""

from __future__ import annotations

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
    value = f.stack.pop()
    source = f.stack[-1]
    if isinstance(source, InterpretedGenerator):
        given = source.send(value)
        result = source.frame.stack[-1] if given is MISSING and source.frame.stack else None
    else:
        given, result = containers.advance(m, source), None
    if given is MISSING:
        f.stack[-1] = result
        f.index = arg
    else:
        f.stack.append(given)
