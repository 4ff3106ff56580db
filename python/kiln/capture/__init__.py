"""Recording and replay of captured functions: when a call is recorded, and what is told of it."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from kiln import _core
from kiln.capture import batches, callables, folding, patience, slots, tape
from kiln.capture.interpreter import Machine
from kiln.capture.recording import Memory, Recording
from kiln.capture.results import apply, finish
from kiln.capture.telling import Recompile, hint, note_once, short
from kiln.capture.values import Again, NotReplayable, Raised, is_static
from kiln.config import config
from kiln.errors import NotReplayedError, RecompileError

strict = False  # for tests: mistakes of the recorder's own are raised
MAX_RECORDINGS = 12
MAX_FAILURES = 2
MAX_RAISED = 8  # calls that an exception left, recorded in vain: others may yet replay
ELSE = "something else"
TOO_MANY = f"{MAX_RECORDINGS} recordings were made, and calls still differ from all of them"


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
    if memory.recordings >= MAX_RECORDINGS:  # and yet called: mode="replay"
        raise NotReplayedError(f"{memory.name}: mode='replay', but {TOO_MANY}")
    if memory.patience.is_over() and not memory.forced:
        _core.pause_recording(captured, memory.patience.wait())
        return _core.not_recorded
    place = failed if 0 <= failed < len(memory.paths) else -1
    path = memory.paths[place] if place >= 0 else None
    if path:
        memory.varying.add(path)
    rec = Recording(memory, patience.Endless() if memory.forced else memory.patience.timer())
    machine = Machine(rec)
    applies = False  # is what the call does to the program's state done by now?
    try:
        result = _run(machine, captured, args, kwargs or {})
        folding.fold(rec)
        change = _change(memory, rec, place)
        if change and config.fail_on_recompile:
            raise RecompileError(f"{memory.name} would be recorded again: {change.what()}; {change.advice()}")
        _keep(captured, memory, rec)
        applies = True
        apply(rec)
        if change:
            memory.recompiles.append(dataclasses.replace(change, milliseconds=(time.perf_counter() - start) * 1e3))
        memory.values.update((path, short(value)) for path, value in rec.seen.items())
        _forget(rec)
    except (NotReplayable, Raised) as error:
        rec.take_back()
        reason = _note_failure(captured, memory, rec, error, (time.perf_counter() - start) * 1e3)
        if memory.forced and not isinstance(error, (Again, Raised)):
            raise NotReplayedError(f"{memory.name}: mode='replay', but Python has to run: {reason}{hint(reason)}") from None
        return _core.not_recorded
    except BaseException as error:
        rec.take_back()
        if strict or applies or isinstance(error, RecompileError) or not isinstance(error, Exception):  # an interrupt
            raise
        # A mistake of ours is nobody else's error: Python runs, and explain() tells.
        mistake = NotReplayable(f"its recording failed, which is an error in Kiln: {type(error).__name__}: {error}")
        _note_failure(captured, memory, rec, mistake, (time.perf_counter() - start) * 1e3)
        return _core.not_recorded
    return result


def _change(memory: Memory, rec: Recording, place: int) -> Recompile | None:
    """What had changed since the recordings so far; None if this is the first."""
    if memory.recordings == 0:
        return None
    path = memory.paths[place] if place >= 0 else None
    check = memory.checks[place] if place >= 0 else "arguments"
    if path is None:  # a check that has no name of its own
        return Recompile(f"what '{check}' checks", ELSE, ELSE, 0.0, False, check)
    is_identity = check in ("distinct", "same") and " is " in path and path not in memory.values
    if is_identity:  # two objects, or one under two names
        return Recompile(path, str(check == "same"), str(check == "distinct"), 0.0, False, check)
    if path in rec.seen:
        now = short(rec.seen[path])
    else:
        again = next((i for i, known in zip(rec.instructions, rec.paths, strict=True) if known == path), None)
        now = _constant(memory, _last_operand(again)) if again else ELSE
    before = memory.values.get(path) or _constant(memory, memory.expected[place])
    return Recompile(path, before, now, 0.0, path in rec.inputs, check)


def _last_operand(instruction: tuple) -> int:
    return instruction[3][-1] if instruction[3] else 0


def _constant(memory: Memory, operand: int) -> str:
    """What a check compares with, where that is a constant."""
    return short(memory.kept[~operand]) if operand < 0 else ELSE


def _keep(captured: Any, memory: Memory, rec: Recording) -> None:
    shared = _core.add_replay(captured, rec.instructions)
    memory.paths += rec.paths[shared:]
    memory.expected += map(_last_operand, rec.instructions[shared:])
    memory.checks += [_core.replay_ops[op] for op, *_ in rec.instructions[shared:]]
    memory.recordings += 1
    if memory.recordings >= MAX_RECORDINGS:
        _core.stop_recording(captured)
        memory.reasons[TOO_MANY] = 1


def _run(machine: Machine, captured: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    rec = machine.rec
    rec.seen["the arguments"] = f"{len(args)} by position{''.join(f', {name}=' for name in kwargs)}"
    rec.emit("arguments", rec.constant(len(args)), rec.constant(tuple(kwargs)), path="the arguments")
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
    for kept in (rec.alive, rec.memo, rec.seen, rec.written, rec.effects, rec.mutated, rec.owners, rec.replaced):
        kept.clear()


def _note_failure(captured: Any, memory: Memory, rec: Recording, error: BaseException, milliseconds: float) -> str:
    where = rec.line
    reason = f"{type(error.error).__name__} left it" if isinstance(error, Raised) else str(error)
    _forget(rec)
    if isinstance(error, Raised):
        memory.raised += 1
    elif isinstance(error, patience.TooLong):
        _core.pause_recording(captured, memory.patience.wait())
    elif not isinstance(error, Again):
        memory.failures += 1
    text = f"{where}: {reason}" if where else reason
    memory.reasons[text] = memory.reasons.get(text, 0) + 1
    memory.lost[text] = memory.lost.get(text, 0.0) + milliseconds
    note_once(memory, memory.name, text)
    if (memory.failures >= MAX_FAILURES or memory.raised >= MAX_RAISED) and not memory.forced:
        _core.stop_recording(captured)
    return text


def _verify(captured: Any, args: tuple, kwargs: dict[str, Any] | None) -> Any:
    from kiln.capture.verify import verify  # not before somebody asks for it

    return verify(captured, args, kwargs)


_core.install_recording(record)
_core.install_verification(_verify)
