"""Methods of interpreted generators."""

from __future__ import annotations

import types
from typing import Any

from kiln.capture.frames import InterpretedGenerator
from kiln.capture.values import MISSING, NotReplayable, Raised


def _send(machine: Any, generator: InterpretedGenerator, value: Any) -> Any:
    if not generator.started and value is not None:
        raise Raised(TypeError("can't send non-None value to a just-started generator"))
    return _value(generator, generator.send(value))


def _throw(machine: Any, generator: InterpretedGenerator, error: Any, value: Any = None, trace: Any = None) -> Any:
    if isinstance(error, type) and issubclass(error, BaseException):
        error = value if isinstance(value, error) else machine.call(error, () if value is None else (value,))
    if not isinstance(error, BaseException):
        raise NotReplayable("it throws what is no exception")
    return _value(generator, generator.throw(error))


def _value(generator: InterpretedGenerator, given: Any) -> Any:
    if given is not MISSING:
        return given
    result = generator.frame.stack[-1] if generator.frame.stack else None
    raise Raised(StopIteration() if result is None else StopIteration(result))


def _next(machine: Any, generator: InterpretedGenerator) -> Any:
    return _value(generator, generator.send(None))


# Methods of generators, by what Python's own have under their names.
METHODS = {
    types.GeneratorType.send: _send,
    types.GeneratorType.throw: _throw,
    types.GeneratorType.close: lambda machine, generator: generator.close(),
    types.GeneratorType.__next__: _next,
    types.GeneratorType.__iter__: lambda machine, generator: generator,
}
