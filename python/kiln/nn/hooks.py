"""Functions that a module calls before and after forward(), and when the gradients of its outputs have come. In torch's words and order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kiln import _core
from kiln._core import Tensor


class RemovableHandle:
    """What registering a hook gives; also a scope at whose end the hook is removed."""

    def __init__(self, table: dict[int, Any], key: int) -> None:
        self._table, self._key = table, key

    def remove(self) -> None:
        """Takes the hook away; nothing happens if it is gone."""
        self._table.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Hooks:
    """A module's hooks, in the order they are called in: key -> (function, is it given keyword arguments)."""

    def __init__(self) -> None:
        self.before: dict[int, tuple[Callable, bool]] = {}
        self.after: dict[int, tuple[Callable, bool]] = {}
        self.backward: dict[int, tuple[Callable, bool]] = {}
        self.count = 0

    def add(self, table: dict[int, tuple[Callable, bool]], hook: Any, with_kwargs: bool, prepend: bool) -> RemovableHandle:
        if not callable(hook):
            raise TypeError(f"a hook is a function, not a {type(hook).__name__}")
        self.count += 1
        before = {} if not prepend else dict(table)
        if prepend:
            table.clear()
        table[self.count] = (hook, with_kwargs)
        table.update(before)
        return RemovableHandle(table, self.count)


def hooks_of(module: Any) -> Hooks:
    if module._hooks is None:
        object.__setattr__(module, "_hooks", Hooks())
    return module._hooks


def call(module: Any, hooks: Hooks, args: tuple, kwargs: dict[str, Any]) -> Any:
    """module(*args, **kwargs), with what is hooked."""
    for hook, with_kwargs in list(hooks.before.values()):
        given = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if given is None:
            continue
        if not with_kwargs:
            args = given if isinstance(given, tuple) else (given,)
        elif isinstance(given, tuple) and len(given) == 2:
            args, kwargs = given
        else:
            raise RuntimeError(f"a forward pre-hook with keyword arguments must give None or (args, kwargs), not a {type(given).__name__}")
    watch = _Watch(module, list(hooks.backward.values())) if hooks.backward else None
    if watch is not None:
        args = watch.inputs(args)
    result = module.forward(*args, **kwargs)
    for hook, with_kwargs in list(hooks.after.values()):
        given = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        if given is not None:
            result = given
    return result if watch is None else watch.outputs(result)


class _Watch:
    """One call of a module with backward hooks: its inputs and outputs go through the tape unchanged, and are seen on the way back."""

    def __init__(self, module: Any, hooks: list[tuple[Callable, bool]]) -> None:
        self.module, self.hooks = module, hooks
        self.arguments = 0
        self.places: list[int] = []  # of the tensors among the arguments
        self.has_inputs = False  # do they ask for gradients?
        self.grad_output: tuple | None = None

    def inputs(self, args: tuple) -> tuple:
        self.arguments = len(args)
        self.places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        tensors = [args[i] for i in self.places]
        self.has_inputs = _core.is_grad_enabled() and any(x.requires_grad for x in tensors)
        if not self.has_inputs:
            return args
        replaced = list(args)
        for i, x in zip(self.places, _core.attach_rule(_at_inputs, self, tensors, tensors), strict=True):
            replaced[i] = x
        return tuple(replaced)

    def outputs(self, result: Any) -> Any:
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, (tuple, list)):
            raise RuntimeError(f"a module with backward hooks must give tensors, or a tuple of them, not a {type(result).__name__}")
        results = [result] if single else list(result)
        places = [i for i, y in enumerate(results) if isinstance(y, Tensor)]
        tensors = [results[i] for i in places]
        for i, y in zip(places, _core.attach_rule(_at_outputs, (self, len(results), places), tensors, tensors), strict=True):
            results[i] = y
        if single:
            return results[0]
        return type(result)(*results) if hasattr(result, "_fields") else type(result)(results)

    def call(self, grad_input: tuple) -> tuple:
        for hook, _ in self.hooks:
            given = hook(self.module, grad_input, self.grad_output)
            if given is None:
                continue
            given = given if isinstance(given, tuple) else (given,)
            if len(given) != len(grad_input):
                raise RuntimeError(f"a backward hook must give as many gradients as it got, {len(grad_input)}, not {len(given)}")
            grad_input = given
        return grad_input


def _at_outputs(data: tuple, gradients: tuple) -> list:
    watch, count, places = data
    grad_output: list[Any] = [None] * count
    for i, g in zip(places, gradients, strict=True):
        grad_output[i] = g
    watch.grad_output = tuple(grad_output)
    if not watch.has_inputs:
        watch.call((None,) * watch.arguments)
    return list(gradients)


def _at_inputs(watch: _Watch, gradients: tuple) -> list:
    grad_input: list[Any] = [None] * watch.arguments
    for i, g in zip(watch.places, gradients, strict=True):
        grad_input[i] = g
    if watch.grad_output is None:  # the gradient came around the module's outputs
        return list(gradients)
    given = watch.call(tuple(grad_input))
    watch.grad_output = None
    return [given[i] for i in watch.places]


def _input_name(data: Any, index: int) -> str:
    return f"input {index} of a module, which its backward hook gives,"


_at_inputs.input_name = _at_outputs.input_name = _input_name  # asked by the core, for errors
