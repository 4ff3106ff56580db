"""Frames of interpreted functions, and generators, which keep one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln.capture.values import MISSING, NotReplayable, Raised

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

    __slots__ = ("finished", "frame", "machine", "running", "started")

    def __init__(self, machine: Any, frame: Any) -> None:
        self.machine, self.frame = machine, frame
        self.started = self.finished = self.running = False

    def send(self, value: Any) -> Any:
        """The next value; MISSING at the end, with what was returned in `frame.stack[-1]`."""
        if self.finished:
            return MISSING
        if self.started:
            self.frame.stack.append(value)
        return self._go()

    def throw(self, error: BaseException) -> Any:
        """The next value after an exception at the place where the generator waits."""
        raised = Raised(error)
        if self.finished or not self.started:
            self.finished = True
            raise raised
        program, at = self.frame.program, self.frame.index
        if program.operations[at - 2].__name__ == "SEND":
            raise NotReplayable("an exception is thrown into a generator that waits for another one")
        return self._go(raised)

    def close(self) -> None:
        if not self.started:
            self.finished = True
        if self.finished:
            return
        try:
            if self.throw(GeneratorExit()) is not MISSING:
                raise NotReplayable("a generator goes on when it is closed")
        except Raised as raised:
            if not isinstance(raised.error, GeneratorExit):
                raise

    def _go(self, raised: Raised | None = None) -> Any:
        if self.running:
            raise NotReplayable("a generator is asked for a value while it runs")
        self.started = self.running = True
        try:
            if raised is not None:
                self.machine.unwind(self.frame, self.frame.index - 1, raised)
            kind, value = self.machine.run(self.frame)
        except BaseException as error:
            self.finished = True
            if not isinstance(error, Raised) or not isinstance(error.error, StopIteration):
                raise
            wrong = RuntimeError("generator raised StopIteration")  # PEP 479
            wrong.__cause__ = wrong.__context__ = error.error
            raise Raised(wrong) from None
        finally:
            self.running = False
        if kind == "return":
            self.finished = True
            self.frame.stack = [value]
            return MISSING
        return value

    @property
    def has_to_end(self) -> bool:
        """Would Python run more of it when it is dropped: a finally clause, the end of a with block?"""
        if self.finished or not self.started:
            return False
        program, at = self.frame.program, self.frame.index - 1
        every = "CALL_INTRINSIC_1"  # from CPython 3.12 on every generator has a handler around it, for StopIteration
        return any(h.start <= at < h.end and program.operations[h.target].__name__ != every for h in program.handlers)
