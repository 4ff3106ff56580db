"""kiln.vmap: a function of one sample as a function of a batch of them.

The function runs once, on placeholders of one sample's shapes (_core.CallRecorder); the operator calls that it makes are then made for all
samples at once (_batching). What is made are ordinary calls of operators: they go on the tape, are deferred in captured functions, and are
noted in turn where vmap is nested.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from kiln import _batching, _core, _tree
from kiln._batching import Call, Operators, Value, ops
from kiln._core import Tensor
from kiln._derivatives import Derivative
from kiln._recorders import run_recorded

_traces = threading.local()  # .current: the run that is tracing, of the innermost vmap


def vmap(f: Callable, in_axes: Any = 0, out_axes: Any = 0) -> Callable:
    """f over an axis of its arguments: vmap(f)(xs) is stack([f(x) for x in xs]), made of one call of each operator for all x.

    in_axes: which axis of the arguments is mapped: an int for all, or a tuple with an entry for each, an int, None for an argument that
    is the same for all samples, or a tree of such like the argument. Arguments by keyword are the same for all. out_axes: where the mapped
    axis is in the results, likewise; None for a result that is the same for all.

    f runs once, without values: it cannot branch on them (kn.where chooses), and it draws no random numbers (draw outside, and map over
    what was drawn). Values are those of the loop, but for the last bits where sums or products are taken in the order of another shape.
    """
    if not callable(f):
        raise TypeError(f"vmap takes a function, not a {type(f).__name__}")
    for what, axes in (("in_axes", in_axes), ("out_axes", out_axes)):
        for axis in _tree.split(axes)[0]:
            if axis is not None and (not isinstance(axis, int) or isinstance(axis, bool)):
                raise TypeError(f"vmap: {what} is made of ints and None, not {type(axis).__name__}")
    return _Vmap(f, in_axes, out_axes)


class _Vmap(Derivative):
    _name = "vmap"

    def __init__(self, function: Callable, in_axes: Any, out_axes: Any) -> None:
        self.__wrapped__, self._in_axes, self._out_axes = function, in_axes, out_axes

    def __call__(self, *args, **kwargs):
        leaves, structure = _tree.split(list(args))
        run = Run(self._in_axes, self._out_axes, leaves, structure, Operators())
        found = run.trace(lambda samples: _tree.split(self.__wrapped__(*_tree.join(structure, samples), **kwargs)))
        return _tree.join(run.of_result, run.on_batch(found))


def mapped(x: Any, axis: int, do: Operators) -> Tensor:
    """An argument with the axis that is mapped at the front."""
    if not isinstance(x, Tensor):
        if not isinstance(x, np.ndarray):
            raise ValueError(f"vmap: a {type(x).__name__} has no axis {axis} to be mapped; its entry of in_axes must be None")
        x = _core.asarray(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"vmap: an argument of shape {x.shape} has no axis {axis} to be mapped")
    return x if axis % x.ndim == 0 else do("moveaxis", x, (axis,), (0,))


def _batch_size(leaves: list[Any], axes: list[int | None]) -> int:
    sizes = [x.shape[0] for x, axis in zip(leaves, axes, strict=True) if axis is not None]
    if not sizes:
        raise ValueError("vmap: no argument has an axis that is mapped; in_axes must name one")
    if any(n != sizes[0] for n in sizes):
        raise ValueError(f"vmap: the mapped axes must be of one extent, not {', '.join(map(str, dict.fromkeys(sizes)))}")
    return sizes[0]


def _placed(value: Value, axis: int | None, batch: int, do: Operators) -> Tensor:
    if axis is None:
        if value.batched:
            raise ValueError("vmap: a result whose out_axes is None must be the same for all samples")
        return value.tensor
    x = value.tensor if value.batched else do("broadcast_to", value.tensor, (batch, *value.shape))
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"vmap: out_axes {axis} is no axis of a result of shape {x.shape}")
    return x if axis % x.ndim == 0 else do("moveaxis", x, (0,), (axis,))


class Run:
    """One call: what the function did on placeholders, and the doing of it on the batch."""

    def __init__(self, in_axes: Any, out_axes: Any, leaves: list[Any], structure: tuple, do: Operators) -> None:
        """Of arguments as their leaves and structure."""
        axes = list(in_axes) if isinstance(in_axes, tuple) else in_axes
        self.axes = _tree.along(structure, axes, "vmap: in_axes", prefix=True)
        self.out_axes, self.do = out_axes, do
        self.leaves = [x if axis is None else mapped(x, axis, do) for x, axis in zip(leaves, self.axes, strict=True)]
        self.batch = _batch_size(self.leaves, self.axes)
        self.of_result: tuple = ()
        self.recorder = _core.CallRecorder()
        self.known: dict[int, Value] = {}
        self.later: list[tuple[int, Callable[[], None]]] = []  # by the number of calls before

    def placeholders(self) -> list[Any]:
        """The leaves, with a sample without values for each that is mapped. One that is on the tape is no leaf of it in the function."""
        made = list(self.leaves)
        for i, (x, axis) in enumerate(zip(self.leaves, self.axes, strict=True)):
            if axis is not None:
                made[i] = self.recorder.add_input(x.shape[1:], x.dtype)
                self.known[self.recorder.use(made[i])[0]] = Value(x, True)
                if x.requires_grad and _core.is_grad_enabled():
                    made[i] = ops["view"](made[i].requires_grad_(), made[i].shape)
        return made

    def trace(self, function: Callable) -> list[Any]:
        """Runs a function of samples of the leaves, which gives the leaves and the structure of its result.

        Gives what is known of these leaves: uses of tensors, and what are none.
        """
        recorder = self.recorder
        state, before = _core.random_state(), _core.set_transforming(True)
        outer, _traces.current = current(), self

        def run() -> list[Any]:
            found, self.of_result = function(self.placeholders())
            return [recorder.use(y) if isinstance(y, Tensor) else y for y in found]

        try:
            return run_recorded("vmap", recorder, run)
        finally:
            _traces.current = outer
            _core.set_transforming(before)
            _core.set_random_state(state)

    def on_batch(self, given: list[Any]) -> list[Tensor]:
        """Makes the calls for all samples, and gives the leaves of the result."""
        for number, tensor in self.recorder.outside():
            self.known[number] = Value(tensor, False)
        calls = self.recorder.calls()
        writes = any(call[4] is not None for call in calls)
        later = list(self.later)
        for i, (name, operands, attrs, outputs, destination, where) in enumerate(calls):
            while later and later[0][0] == i:
                later.pop(0)[1]()
            self._call(name, operands, attrs, outputs, destination, where, writes)
        for _, action in later:
            action()
        values = [self.value(y) if isinstance(y, tuple) else Value(self.do.constant(y), False) for y in given]
        places = _tree.along(self.of_result, self.out_axes, "vmap: out_axes", prefix=True)
        return [_placed(v, axis, self.batch, self.do) for v, axis in zip(values, places, strict=True)]

    def note(self, action: Callable[[], None]) -> None:
        """What is to be done on the batch behind the calls so far."""
        self.later.append((self.recorder.count(), action))

    def value(self, use: tuple[int, bool]) -> Value:
        """A value as it is used: off the tape where it was."""
        number, on_tape = use
        value = self.known[number]
        if on_tape or not value.tensor.requires_grad:
            return value
        return Value(self.do.detach(value.tensor), value.batched)

    def _call(self, name: str | None, operands: list, attrs: list, outputs: list, destination: Any, where: str, views: bool) -> None:
        given = [self.value(o) if isinstance(o, tuple) else o for o in operands]
        batched = any(isinstance(o, Value) and o.batched for o in given)
        if name is None:
            return self._write(destination, given[0], where)
        op = ops[name]
        if op.is_random:
            place = f"{where}: " if where else ""
            raise RuntimeError(f"vmap: {place}{name} draws random numbers; draw them outside, and map over what was drawn")
        call = Call(op, given, attrs, self.batch, views, self.do)
        result = _batching.on_batch(call) if batched else call.run(call.tensors(), attrs)
        if destination is not None:
            return self._write(destination, Value(result, batched), where)
        for number, y in zip(outputs, [result] if isinstance(result, Tensor) else result, strict=True):
            self.known[number] = Value(y, batched)
        return None

    def _write(self, destination: tuple[int, bool], source: Any, where: str) -> None:
        """destination[...] = source, as x += y does it too."""
        value = self.known[destination[0]]
        batched = isinstance(source, Value) and source.batched
        if batched and not value.batched:
            place = f"{where}: " if where else ""
            raise RuntimeError(
                f"vmap: {place}what differs from sample to sample is written into a tensor of shape {value.shape} that does not; make that "
                "tensor of an argument (x * 0, kiln.zeros_like), or write x = x + y"
            )
        if not isinstance(source, Value):
            self.do.write(value.tensor, source)
            return
        x = source.tensor
        if batched and source.ndim < value.ndim:
            x = self.do("reshape", x, (self.batch, *[1] * (value.ndim - source.ndim), *source.shape))
        self.do.write(value.tensor, x)


def current() -> Run | None:
    """The trace that is going on, of the innermost vmap."""
    return getattr(_traces, "current", None)
