"""What a function can reach: names for its tensors, and whether calling it changed anything."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from kiln import _core
from kiln._core import Tensor
from kiln.nn.module import Module
from kiln.optim.optimizer import Optimizer

_MAX_OBJECTS = 100_000
_ATOMS = (int, float, complex, str, bytes, bool, type(None), type, types.ModuleType, types.BuiltinFunctionType)


class Footprint:
    """The containers that a function can reach (globals it names, closures, defaults, attributes, items), as they are now."""

    def __init__(self, function: Callable) -> None:
        self.tensors: list[tuple[str, Tensor]] = []
        self._containers: list[tuple[str, Any, Callable[[], dict], dict]] = []  # path, container, how to look, what was seen
        self._seen: set[int] = set()
        self._optimizers: list[tuple[str, Optimizer]] = []
        self._walk("", function)
        for path, optimizer in self._optimizers:  # last: parameters are better known by their modules' names
            self._walk_optimizer(path, optimizer)
        self._grads = [(path, t, t.grad) for path, t in self.tensors if t.is_leaf and t.requires_grad]

    def names(self) -> dict[int, str]:
        """A name for each storage: the first path that leads to it."""
        found: dict[int, str] = {}
        for path, tensor in self.tensors:
            found.setdefault(_core.storage_id(tensor), path)
            if tensor.is_leaf and tensor.requires_grad and tensor.grad is not None:
                found.setdefault(_core.storage_id(tensor.grad), f"{path}.grad")
        return found

    def tensor_of(self, storage: int) -> Tensor | None:
        return next((t for _, t in self.tensors if _core.storage_id(t) == storage), None)

    def made_gradients(self) -> list[Tensor]:
        """Tensors that have a gradient now and had none."""
        return [t for _, t, grad in self._grads if grad is None and t.grad is not None]

    def changes(self) -> Iterator[tuple[str, Any, Any]]:
        """What is not as it was: path, before, after. Gradients aside."""
        for path, _, look, before in self._containers:
            now = look()
            for key in before.keys() | now.keys():
                old, new = before.get(key, _ABSENT), now.get(key, _ABSENT)
                if old is not new and not _same_atom(old, new):
                    yield _join(path, key), old, new

    def restore(self) -> None:
        """Puts everything back, gradients included."""
        for _, container, look, before in self._containers:
            if isinstance(container, types.CellType):
                for value in before.values():
                    container.cell_contents = value
            elif isinstance(container, list):
                container[:] = before.values()
            else:
                for key in look().keys() - before.keys():
                    del container[key]
                container.update(before)
        for _, tensor, grad in self._grads:
            tensor.grad = grad

    # ---- walking -----------------------------------------------------------------------------------------------------

    def _walk(self, path: str, value: Any) -> None:
        if isinstance(value, _ATOMS) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        if len(self._seen) > _MAX_OBJECTS:
            raise RuntimeError(f"export: the function can reach more than {_MAX_OBJECTS:,} objects; pass it less")
        if isinstance(value, Tensor):
            self.tensors.append((path, value))
        elif isinstance(value, (_core.Captured, functools.partial, types.MethodType, types.FunctionType)):
            self._walk_callable(path, value)
        elif isinstance(value, Module):
            for name in ("_parameters", "_buffers", "_modules"):
                self._visit(path, value.__dict__[name], lambda d=value.__dict__[name]: dict(d))
            own = {"_parameters", "_buffers", "_modules"}
            self._visit(path, value.__dict__, lambda d=value.__dict__: {k: v for k, v in d.items() if k not in own})
        elif isinstance(value, Optimizer):
            self._optimizers.append((path, value))
        elif isinstance(value, dict):
            self._visit(path, value, lambda: dict(value))
        elif isinstance(value, list):
            self._visit(path, value, lambda: dict(enumerate(value)))
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                self._walk(_join(path, i), item)
        elif hasattr(value, "__dict__") and type(value).__module__.partition(".")[0] != "kiln":
            self._visit(path, value.__dict__, lambda: dict(value.__dict__))

    def _visit(self, path: str, container: Any, look: Callable[[], dict]) -> None:
        now = look()
        self._containers.append((path, container, look, now))
        for key, item in now.items():
            self._walk(_join(path, key), item)

    def _walk_callable(self, path: str, value: Any) -> None:
        if isinstance(value, _core.Captured):
            self._walk(path, value._function)
        elif isinstance(value, types.MethodType):
            self._walk(path, value.__self__)
            self._walk(path, value.__func__)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self._walk(path, part)
        else:
            code, cells = value.__code__, value.__closure__ or ()
            for name, cell in zip(code.co_freevars, cells, strict=True):
                self._visit("", cell, lambda cell=cell, name=name: _look_into(cell, name))
            self._walk("", value.__defaults__ or ())
            self._walk("", value.__kwdefaults__ or {})
            if value.__globals__.get("__name__", "").partition(".")[0] != "kiln":
                named = set(_names(code))
                self._visit("", value.__globals__, lambda g=value.__globals__: {k: v for k, v in g.items() if k in named})

    def _walk_optimizer(self, path: str, optimizer: Optimizer) -> None:
        for group in optimizer.param_groups:
            self._visit(_join(path, "group"), group, lambda group=group: dict(group))
        names = {id(t): p for p, t in reversed(self.tensors)}
        self._containers.append((_join(path, "state"), optimizer.state, lambda: dict(optimizer.state), dict(optimizer.state)))
        for key, state in optimizer.state.items():  # by id(parameter)
            self._visit(names.get(key, path), state, lambda state=state: dict(state))


class Absent:
    """Stands for a key that is not there."""


_ABSENT = Absent()


def _same_atom(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, (int, float, str, bytes)) and (a == b or (a != a and b != b))


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _look_into(cell: types.CellType, name: str) -> dict:
    try:
        return {name: cell.cell_contents}
    except ValueError:  # empty
        return {}
