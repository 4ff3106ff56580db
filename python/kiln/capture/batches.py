"""kiln.vmap in recordings. What the function does on samples is interpreted, so that all that it reads is checked, but leaves no calls of
operators in the recording: those on the batch do. They follow from the types of what comes in, which are checked.
"""

from __future__ import annotations

from typing import Any

from kiln import _core, _tree
from kiln._batching import Operators
from kiln._core import Tensor
from kiln._vmap import Run, _Vmap
from kiln.capture import attributes, callables, containers
from kiln.capture.recording import class_value
from kiln.capture.values import NotReplayable, is_constant, is_tensor

_DETACH = class_value(Tensor, "detach")


class _Recorded(Operators):
    """Calls for the batch as instructions."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any:
        rec = self.machine.rec
        args = tuple(rec.make(a) if type(a) is list else a for a in args)
        kwargs = {k: rec.make(a) if type(a) is list else a for k, a in kwargs.items()}
        result = self.machine.call(_core.operators[name], args, kwargs)
        return result if is_tensor(result) else tuple(containers.iterate(self.machine, result))

    def detach(self, x: Tensor) -> Tensor:
        return self.machine.call(_DETACH, (x,))

    def constant(self, value: Any) -> Tensor:
        return self.machine.call(_core.asarray, (value,))

    def write(self, x: Tensor, value: Any) -> None:
        containers.set_item(self.machine, x, ..., value)


def _check_type(rec: Any, x: Tensor, name: str) -> None:
    """Shape, dtype and whether gradients are asked for are as they are."""
    for fact, op in (("shape", "value"), ("dtype", "same"), ("requires_grad", "same")):
        made = rec.emit("get_attribute", rec.operand(x), rec.constant(fact), result=True)
        rec.emit(op, made, rec.constant(getattr(x, fact)), path=f"{name}.{fact}")


@callables.special(_Vmap.__call__)
def _vmap(machine: Any, self: Any, /, *args: Any, **kwargs: Any) -> Any:
    rec = machine.rec
    function, *axes = (attributes.get_attribute(machine, self, name) for name in ("__wrapped__", "_in_axes", "_out_axes"))
    axes = [rec.pin_all(a) for a in axes]
    if not all(is_constant(a) for a in axes):
        raise NotReplayable("the axes of vmap are lists or dicts")
    for setting in (_core.is_grad_enabled, _core.default_dtype):
        rec.pin(callables.call(machine, setting, (), {}))
    leaves, structure = machine.call(_tree.split, (rec.make(list(args)),))
    leaves = [rec.pin(x) for x in leaves]
    for x in leaves:
        if is_tensor(x):
            _check_type(rec, x, rec.name_of(x, "an argument of vmap"))
        elif not is_constant(x):
            raise NotReplayable(f"it calls vmap with a {type(x).__name__}")
    run = Run(*axes, leaves, structure, _Recorded(machine))

    def of_samples(samples: list[Any]) -> tuple[list[Any], tuple]:
        for x, axis in zip(samples, run.axes, strict=True):
            if axis is not None:
                rec.know(rec.make(x), rec.sample())
        arguments = machine.call(_tree.join, (structure, rec.make(list(samples))))
        found, of_result = machine.call(_tree.split, (machine.call(function, tuple(arguments), kwargs),))
        return [rec.pin(y) for y in found], of_result

    outer, rec.samples = rec.samples, run.recorder
    try:
        found = run.trace(of_samples)
    finally:
        rec.samples = outer
    for number, x in run.recorder.outside():
        _check_type(rec, x, rec.name_of(x, f"tensor {number} of vmap's function"))
    return machine.call(_tree.join, (run.of_result, rec.make(run.on_batch(found))))
