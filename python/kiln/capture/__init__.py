"""Recording and replay of captured functions: when a call is recorded, and what is told of it."""

from __future__ import annotations

import time
from typing import Any

from kiln import _core
from kiln.capture import batches, callables, slots, tape
from kiln.capture.interpreter import Machine
from kiln.capture.recording import Memory, Recording
from kiln.capture.results import apply, finish
from kiln.capture.telling import Recompile, note_once, short
from kiln.capture.values import NotReplayable, Raised, is_static

MAX_RECORDINGS = 12
MAX_FAILURES = 2


def memory_of(captured: Any) -> Memory:
    """What is known of a captured function. (Its attributes are the wrapped function's; this one is its own.)"""
    memory = captured.__dict__.get("_memory")
    if memory is None:
        memory = captured.__dict__["_memory"] = Memory(captured)
    return memory


def record(captured: Any, args: tuple, kwargs: dict[str, Any] | None, failed: int) -> Any:
    """Called by the core for a call that no recording fits: runs it recorded. `_core.not_recorded`: it was taken back."""
    start = time.perf_counter()
    memory = memory_of(captured)
    path = memory.paths[failed] if 0 <= failed < len(memory.paths) else None
    if path:
        memory.varying.add(path)
    rec = Recording(memory)
    machine = Machine(rec)
    try:
        result = _run(machine, captured, args, kwargs or {})
        _keep(captured, memory, rec)
        apply(rec)
        if path and memory.recordings > 1:
            unknown = "something else"
            now = short(rec.seen[path]) if path in rec.seen else unknown
            took = (time.perf_counter() - start) * 1e3
            memory.recompiles.append(Recompile(path, memory.values.get(path, unknown), now, took, path in rec.inputs))
        memory.values.update((path, short(value)) for path, value in rec.seen.items())
        _forget(rec)
    except (NotReplayable, Raised) as error:
        rec.take_back()
        _note_failure(captured, memory, rec, error)
        return _core.not_recorded
    except BaseException:  # an interrupt
        rec.take_back()
        raise
    return result


def _keep(captured: Any, memory: Memory, rec: Recording) -> None:
    shared = _core.add_replay(captured, rec.instructions)
    memory.paths += rec.paths[shared:]
    memory.recordings += 1
    if memory.recordings >= MAX_RECORDINGS:
        _core.stop_recording(captured)
        memory.reasons[f"{MAX_RECORDINGS} recordings were made, and calls still differ from all of them"] = 1


def _run(machine: Machine, captured: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    rec = machine.rec
    rec.emit("arguments", rec.constant(len(args)), rec.constant(tuple(kwargs)))
    values = []
    for i, value in enumerate((*args, *kwargs.values())):
        register, rec.count = rec.count, rec.count + 1
        values.append(rec.check(value, register, f"argument {i}", structural=True))
    function = captured._function
    if not is_static(function):
        register = rec.constant(function)
        rec.emit("type", register, rec.constant(type(function)), path="the type of the function")
        rec.know(function, register, getattr(function, "__name__", type(function).__name__))
    result = machine.call(function, tuple(values[: len(args)]), dict(zip(kwargs, values[len(args) :], strict=True)))
    return finish(rec, result)


def _forget(rec: Recording) -> None:
    """Lets go of what the recording kept alive, so that the tensors nobody wants are not computed."""
    for kept in (rec.alive, rec.memo, rec.seen, rec.written, rec.effects, rec.mutated, rec.owners):
        kept.clear()


def _note_failure(captured: Any, memory: Memory, rec: Recording, error: BaseException) -> None:
    where = rec.line
    reason = f"{type(error.error).__name__} left it" if isinstance(error, Raised) else str(error)
    _forget(rec)
    memory.failures += 1
    text = f"{where}: {reason}" if where else reason
    memory.reasons[text] = memory.reasons.get(text, 0) + 1
    note_once(memory, getattr(captured, "__qualname__", "a function"), text)
    if memory.failures >= MAX_FAILURES:
        _core.stop_recording(captured)


_core.install_recording(record)
