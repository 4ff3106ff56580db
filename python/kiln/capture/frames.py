"""Frames of interpreted functions, and generators, which keep one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln.capture.values import MISSING, Raised

if TYPE_CHECKING:
    from kiln.capture.code import Program


class Frame:
    __slots__ = ("cells", "function", "globals", "handled", "index", "keywords", "locals", "program", "stack")

    def __init__(self, program: Program, function: Any, namespace: dict[str, Any]) -> None:
        self.program, self.function, self.globals = program, function, namespace
        self.locals: list[Any] = [MISSING] * len(program.locals)
        self.stack: list[Any] = []
        self.index = 0
        self.keywords: tuple[str, ...] = ()
        self.handled: list[Any] = []  # exceptions in except blocks, as sys.exc_info() nests them

    @property
    def place(self) -> str:
        code = self.program.code
        return f"{code.co_filename}:{self.program.lines[self.index] or code.co_firstlineno}"


class InterpretedGenerator:
    """A generator of a function that is being interpreted; it lives and dies inside of one recording."""

    __slots__ = ("finished", "frame", "machine", "started")

    def __init__(self, machine: Any, frame: Frame) -> None:
        self.machine, self.frame, self.started, self.finished = machine, frame, False, False

    def send(self, value: Any) -> Any:
        """The next value; MISSING at the end, with what was returned in `frame.stack[-1]`."""
        if self.finished:
            return MISSING
        if self.started:
            self.frame.stack.append(value)
        self.started = True
        try:
            kind, value = self.machine.run(self.frame)
        except Raised as raised:
            self.finished = True
            if not isinstance(raised.error, StopIteration):
                raise
            error = RuntimeError("generator raised StopIteration")  # PEP 479
            error.__cause__ = error.__context__ = raised.error
            raise Raised(error) from None
        except BaseException:
            self.finished = True
            raise
        if kind == "return":
            self.finished = True
            self.frame.stack = [value]
            return MISSING
        return value
