"""Backward passes in recordings, and Python that stands on the tape: gradient rules (kiln.custom_vjp) and hooks.

A pass that meets no Python is one instruction. Where it meets some, the recording drives it step by step (_core.SteppedPass), runs the
Python in the interpreter, and has each step as an instruction, with checks that a replay's pass stops at the same places.
"""

from __future__ import annotations

from typing import Any

from kiln import _core
from kiln._core import Tensor
from kiln.capture import assignments, attributes, callables, containers
from kiln.capture.recording import class_value
from kiln.capture.results import without_symbols
from kiln.capture.values import NotReplayable, is_tensor

_START, _NEXT, _RESUME, _FINISH = _core.SteppedPass, _core.SteppedPass.next, _core.SteppedPass.resume, _core.SteppedPass.finish

callables.CORE.update({_core.depends_on_others, _core.is_made_by_rule, _core.is_transforming})


@callables.special(class_value(Tensor, "backward"))
def _backward(machine: Any, root: Any, gradient: Any = None, retain_graph: Any = None, create_graph: Any = False) -> None:
    rec = machine.rec
    retain, create = rec.pin(retain_graph), bool(rec.pin(create_graph))
    retain = create if retain is None else bool(retain)
    if not is_tensor(root) or not (gradient is None or is_tensor(gradient)):
        raise NotReplayable("it calls backward() with what is no tensor")
    for x in list(rec.alive):
        if not is_tensor(x) or id(x) in rec.fresh:
            continue
        if not x.is_leaf:
            raise NotReplayable("backward() reaches what was computed before the call")
        if _core.has_hooks(x):
            made = rec.emit("get_attribute", rec.operand(x), rec.constant("is_leaf"), result=True)
            rec.emit("same", made, rec.constant(True), path=f"{rec.name_of(x, 'a tensor')}.is_leaf")
        else:
            rec.once("leaf", rec.operand(x), path=f"hooks of {rec.name_of(x, 'a tensor')}")
    assignments.save_gradients(rec)

    def whole() -> None:
        operands = [rec.operand(root)]
        if gradient is not None or retain or create:
            operands += [rec.operand(gradient), rec.constant(retain), rec.constant(create)]
        rec.emit("call", rec.constant(class_value(Tensor, "backward")), *operands, result=True)

    _run(machine, [root], [gradient], [], retain, create, whole)


@callables.special(_core.gradients)
def _gradients(machine: Any, roots: Any, seeds: Any, inputs: Any, retain_graph: Any = False, create_graph: Any = False) -> Any:
    rec = machine.rec
    roots, seeds, inputs = (list(containers.iterate(machine, x)) for x in (roots, seeds, inputs))
    retain, create = bool(rec.pin(retain_graph)), bool(rec.pin(create_graph))

    def whole() -> int:
        lists = [_list(rec, x) for x in (roots, seeds, inputs)]
        return rec.emit("call", rec.constant(_core.gradients), *lists, rec.constant(retain), rec.constant(create), result=True)

    register, result = _run(machine, roots, seeds, inputs, retain, create, whole)
    return rec.result(result, register, f"gradients at {len(rec.instructions)}")


def _list(rec: Any, values: list[Any]) -> int:
    return rec.emit("make_list", *[rec.operand(v) for v in values], result=True)


def _run(machine: Any, roots: list, seeds: list, targets: list, retain: bool, create: bool, whole: Any) -> tuple[Any, Any]:
    """A pass, and its instructions: the one that `whole` emits, if nothing of Python's is met. (Register of the result, result.)"""
    rec = machine.rec
    before = _core.is_grad_enabled()
    _core.set_grad_enabled(create)
    try:
        stepped = _START(roots, seeds, targets, retain, create)
        stop = stepped.next()
        if stop is None:
            return whole(), stepped.finish()
    finally:
        _core.set_grad_enabled(before)
    before = rec.pin(callables.call(machine, _core.is_grad_enabled, (), {}))
    callables.call(machine, _core.set_grad_enabled, (create,), {})
    lists = [_list(rec, x) for x in (roots, seeds, targets)]
    driven = rec.emit("call", rec.constant(_START), *lists, rec.constant(retain), rec.constant(create), result=True)
    while stop is not None:
        shown = rec.emit("call", rec.constant(_NEXT), driven, result=True)
        given = _stopped(machine, shown, *stop)
        rec.emit("call", rec.constant(_RESUME), driven, rec.operand(given), result=True)
        stepped.resume(given)
        stop = stepped.next()
    shown = rec.emit("call", rec.constant(_NEXT), driven, result=True)
    rec.emit("same", shown, rec.constant(None), path="the Python that backward() meets")
    register = rec.emit("call", rec.constant(_FINISH), driven, result=True)
    result = stepped.finish()
    callables.call(machine, _core.set_grad_enabled, (before,), {})
    return register, result


def _stopped(machine: Any, shown: int, function: Any, data: Any, gradients: tuple) -> Any:
    """What the Python that a pass stopped at gives."""
    rec = machine.rec
    called, with_data, given = (rec.emit("item", shown, rec.constant(i), result=True) for i in range(3))
    rec.emit("length", given, rec.constant(len(gradients)), path="the Python that backward() meets")
    for i, g in enumerate(gradients):
        part = rec.emit("item", given, rec.constant(i), result=True)
        if g is None:
            rec.emit("same", part, rec.constant(None), path="the gradients that backward() brings")
        else:
            rec.result(g, part, "a gradient")
    if data is None:
        rec.emit("same", with_data, rec.constant(None), path="the Python that backward() meets")
        hook = rec.check(function, called, "a hook on a gradient", structural=True)
        return machine.call(hook, gradients)
    known = rec.memo.get(("on the tape", id(data)))
    if known is None:
        raise NotReplayable("backward() reaches what was computed before the call")
    register, data = known
    rec.emit("same", called, rec.constant(function), path="the Python that backward() meets")
    rec.emit("same", with_data, register, path="the Python that backward() meets")
    return machine.call(function, (data, gradients))


@callables.special(_core.attach_rule)
def _attach_rule(machine: Any, function: Any, data: Any, inputs: Any, outputs: Any) -> Any:
    rec = machine.rec
    inputs, outputs = (list(containers.iterate(machine, x)) for x in (inputs, outputs))
    register = rec.operand(data)
    lists = [_list(rec, x) for x in (inputs, outputs)]
    held = without_symbols(rec, data)
    made = rec.emit("call", rec.constant(_core.attach_rule), rec.constant(function), register, *lists, result=True)
    rec.alive.append(held)
    rec.memo["on the tape", id(held)] = register, data
    return rec.result(_core.attach_rule(function, held, inputs, outputs), made, f"attach_rule at {len(rec.instructions)}")


@callables.special(class_value(Tensor, "register_hook"))
def _register_hook(machine: Any, x: Any, hook: Any) -> Any:
    rec = machine.rec
    if id(x) not in rec.fresh:
        raise NotReplayable("it registers a hook on a tensor that was there before")
    operands = [rec.operand(x), rec.operand(hook)]
    handle = x.register_hook(hook)
    return rec.know(handle, rec.emit("call", rec.constant(class_value(Tensor, "register_hook")), *operands, result=True))


@callables.special(callable)
def _callable(machine: Any, value: Any) -> bool:
    if isinstance(value, (attributes.Bound, attributes.SuperObject)) or containers.is_iterator(value):
        raise NotReplayable(f"it asks whether a {type(value).__name__} is callable")
    if id(value) in machine.rec.registers and not is_tensor(value):
        attributes.check_class(machine.rec, type(value), "__call__")
    return callable(value)
