"""An interpreter of CPython's byte code that runs a function for real and has a Recording kept of it.

What the operations do is in the folder opcodes. One that is not there ends the recording.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

from kiln.capture import containers, operations
from kiln.capture.calls import call_value
from kiln.capture.code import decode, is_interpretable
from kiln.capture.frames import Frame
from kiln.capture.recording import Recording
from kiln.capture.values import MISSING, NotReplayable, Raised

MAX_DEPTH = 150


class Machine:
    def __init__(self, rec: Recording) -> None:
        self.rec = rec
        self.depth = 0
        self.frames: list[Frame] = []

    # ---- running -----------------------------------------------------------------------------------------------------

    def call(self, function: Any, args: tuple, kwargs: dict[str, Any] | None = None) -> Any:
        return call_value(self, function, args, kwargs or {})

    def enter(self, function: types.FunctionType, slots: list[Any], closure: tuple) -> Any:
        """Runs a Python function whose parameters are bound already."""
        code = function.__code__
        if not is_interpretable(code):
            raise NotReplayable(f"{code.co_qualname} is a coroutine")
        program = decode(code)
        frame = Frame(program, function, function.__globals__)
        frame.locals[: len(slots)] = slots
        if closure:
            frame.locals[-len(closure) :] = closure
        self.rec.timer.step()
        if self.depth >= MAX_DEPTH:
            raise NotReplayable(f"calls nest deeper than {MAX_DEPTH}")
        return self.run(frame)[1]

    def run(self, frame: Frame) -> tuple[str, Any]:
        self.depth += 1
        self.frames.append(frame)
        operations, arguments = frame.program.operations, frame.program.arguments
        try:
            while True:
                at = frame.index
                frame.index = at + 1
                try:
                    done = operations[at](self, frame, arguments[at])
                except Raised as raised:
                    self.unwind(frame, at, raised)
                    continue
                except NotReplayable:
                    if not self.rec.line:
                        frame.index = at
                        self.rec.line = frame.place
                    raise
                except RecursionError:
                    raise NotReplayable("calls nest too deep") from None
                except Exception as error:  # of a C function: whether it comes again depends on what was not checked
                    frame.index = at
                    self.rec.line = self.rec.line or frame.place
                    raise NotReplayable(f"{type(error).__name__}: {str(error)[:120]}") from error
                if done is not None:
                    return done
        finally:
            self.depth -= 1
            self.frames.pop()

    def is_next(self, name: str) -> bool:
        """Is this the instruction that comes next?"""
        frame = self.frames[-1]
        return frame.index < len(frame.program.names) and frame.program.names[frame.index] == name

    def unwind(self, frame: Frame, at: int, raised: Raised) -> None:
        for handler in frame.program.handlers:
            if handler.start <= at < handler.end:
                del frame.stack[handler.depth :]
                if handler.keeps_place:
                    frame.stack.append(at)
                frame.stack.append(raised.error)
                frame.index = handler.target
                return
        raise raised

    # ---- what handlers ask for ---------------------------------------------------------------------------------------

    def truth(self, value: Any) -> bool:
        return operations.truth(self, value)

    def item(self, container: Any, key: Any) -> Any:
        return containers.get_item(self, container, key)

    def global_value(self, frame: Frame, name: str) -> Any:
        rec, namespace = self.rec, frame.globals
        if (id(namespace), name) in rec.written:
            value = rec.written[id(namespace), name]
            if value is MISSING:
                raise NotReplayable(f"the global '{name}' has been deleted")
            return value
        if name in namespace:
            return rec.load(namespace[name], "dict_item", rec.constant(namespace), rec.constant(name), path=f"global {name}")
        rec.once("no_item", rec.constant(namespace), rec.constant(name), path=f"global {name}")
        known = namespace.get("__builtins__", builtins)
        known = known if isinstance(known, dict) else known.__dict__
        if name not in known:
            rec.once("no_item", rec.constant(known), rec.constant(name), path=f"builtin {name}")
            raise Raised(NameError(f"name '{name}' is not defined", name=name))
        return rec.load(known[name], "dict_item", rec.constant(known), rec.constant(name), path=f"builtin {name}")

    def cell_value(self, frame: Frame, slot: int) -> Any:
        rec, cell = self.rec, frame.locals[slot]
        name = frame.program.locals[slot]
        if id(cell) in rec.fresh:
            try:
                return cell.cell_contents
            except ValueError:
                raise Raised(
                    NameError(f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope")
                ) from None
        if (id(cell), "") in rec.written:
            return rec.written[id(cell), ""]
        try:
            value = cell.cell_contents
        except ValueError:
            raise NotReplayable(f"the closure's '{name}' has no value") from None
        return rec.load(value, "cell", rec.operand(cell), path=f"closure {name}")

    def set_cell(self, cell: Any, value: Any) -> None:
        rec = self.rec
        if id(cell) in rec.fresh:
            cell.cell_contents = value
            return
        rec.operand(cell)
        value = containers.stored(rec, value)
        rec.written[id(cell), ""] = value
        rec.effect("cell", cell, value)
