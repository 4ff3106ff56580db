"""kn.config.verify: a call without Python is taken back, done by Python, and what both left is compared, bit for bit.

What can differ is the result and what the function can reach: globals it names, closures, defaults, attributes, items, tensors and their
gradients, classes and modules of the program's own; and the random generators. All that is noted before, put back in between, and described
after each of the two.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln.capture.functions import content
from kiln.capture.values import ATOMS, HEAP_TYPE, MISSING
from kiln.errors import VerificationError
from kiln.jit import AssumedConstant

MAX_OBJECTS = 100_000
MAX_DIFFERENCES = 5
FOREIGN = sys.stdlib_module_names | {"kiln", "numpy", "builtins"}  # whose classes, modules and functions are not looked into


def verify(captured: Any, args: tuple, kwargs: dict[str, Any] | None) -> Any:
    """Called by the core instead of a call that may do without Python: the call's result, by both ways."""
    kwargs = kwargs or {}
    state = State((captured._function, args, kwargs))
    if any(_is(value, Tensor) and value.is_leaf and _core.has_hooks(value) for _, value in state.objects):
        return _core.not_recorded  # what hooks reach is not seen from here, and could not be put back: Python alone
    replayed = _core.attempt_call(captured, args, kwargs)
    if replayed is _core.not_recorded:
        return replayed
    seen = state.describe(replayed)
    state.restore()
    name = getattr(captured, "__qualname__", repr(captured))
    try:
        result = _core.call_plainly(captured._function, args, kwargs)
    except Exception as error:
        raise VerificationError(f"{name}: without Python it gives {seen['the result']}; Python raises {error!r}") from error
    expected = state.describe(result)
    different = [path for path in {**expected, **seen} if expected.get(path) != seen.get(path)]
    if different:
        lines = [f"  {path}: {seen.get(path, 'nothing')}, Python: {expected.get(path, 'nothing')}" for path in different[:MAX_DIFFERENCES]]
        more = f"\n  and {len(different) - MAX_DIFFERENCES} more" if len(different) > MAX_DIFFERENCES else ""
        raise VerificationError(f"{name}: a call without Python differs from Python:\n" + "\n".join(lines) + more)
    return result


class State:
    """Everything that a call can reach, as it is now."""

    def __init__(self, roots: tuple) -> None:
        self.known: dict[int, str] = {}  # id -> the first path that led there
        self.objects: list[tuple[str, Any]] = []
        for path, value in _walk([("", roots[0]), ("arguments", roots[1]), ("arguments", roots[2])]):
            self.known[id(value)] = path
            self.objects.append((path, value))
        self.undo = [undo for _, value in self.objects if (undo := _undo(value)) is not None]
        self.draws = _core.random_state(), random.getstate(), np.random.get_state()
        self.settings = _core.is_grad_enabled(), _core.default_dtype()

    def restore(self) -> None:
        for undo in self.undo:
            undo()
        _core.set_random_state(self.draws[0])
        random.setstate(self.draws[1])
        np.random.set_state(self.draws[2])
        _core.set_grad_enabled(self.settings[0])
        _core.set_default_dtype(self.settings[1])

    def describe(self, result: Any) -> dict[str, str]:
        """What is there now, as texts by path: values by their bits, objects that were there before by where, new ones by content."""
        numbers = dict(self.known)
        kept: list[Any] = []  # so that no id is taken twice
        told: dict[str, str] = {"the result": ""}

        def text(value: Any, path: str) -> str:
            if id(value) in numbers:
                return f"the {_kind(value)} that is {numbers[id(value)] or 'the function'}"
            if _is_value(value):
                return _value(value, text, path)
            numbers[id(value)] = path
            kept.append(value)
            return f"a new {_kind(value)}"

        told["the result"] = text(result, "the result")
        for path, value in _walk([*self.objects, ("the result", result)]):
            told.update((_join(path, what), content) for what, content in _content(value, lambda v, p=path: text(v, p)))
        told["kiln's random numbers"] = repr(_core.random_state())
        told["Python's random numbers"] = str(hash(random.getstate()))
        told["NumPy's random numbers"] = str(hash(repr(np.random.get_state()[1].tobytes()) + str(np.random.get_state()[2])))
        told["the grad mode"] = repr(_core.is_grad_enabled())
        told["the default dtype"] = repr(_core.default_dtype())
        return told


def _is(value: Any, kinds: Any) -> bool:
    """isinstance, whatever the object says its class is."""
    return issubclass(type(value), kinds)


def _base(value: Any, kinds: tuple[type, ...]) -> Any:
    """The first of these that its class derives from: whose methods look at what is there, whatever the class makes of them."""
    return next(kind for kind in kinds if _is(value, kind))


def _items(value: Any) -> Iterator[Any]:
    return _base(value, (list, tuple, collections.deque, set, frozenset)).__iter__(value)


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    """Of a dict, in its order, which is another one in an OrderedDict."""
    return ((key, dict.__getitem__(value, key)) for key in _base(value, (collections.OrderedDict, dict)).__iter__(value))


def _is_value(value: Any) -> bool:
    """Is it nothing but its content?"""
    return type(value) in ATOMS or type(value) in (tuple, frozenset, slice, range)


def _value(value: Any, text: Callable[[Any, str], str], path: str) -> str:
    kind = type(value)
    if kind is float:
        return value.hex() if value == value else "nan"
    if kind is complex:
        return f"{value.real.hex()} + {value.imag.hex()} j"
    if kind is tuple:
        return f"({', '.join(text(v, f'{path}[{i}]') for i, v in enumerate(value))})"
    if kind is frozenset:
        return f"frozenset {sorted(text(v, path) for v in value)}"
    return repr(value)


def _kind(value: Any) -> str:
    return type(value).__qualname__


def _join(path: str, what: str) -> str:
    return f"{path}{what if what.startswith('[') or not path else '.' + what}"


def _is_foreign(value: Any) -> bool:
    return str(getattr(value, "__module__", None) or "").partition(".")[0] in FOREIGN


# ---- what an object consists of ------------------------------------------------------------------------------------------


def _walk(roots: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """All objects that can change and that the roots lead to, each once, with the first path to it."""
    seen: dict[int, Any] = {}  # keeps what it has met, so that no id is taken twice
    waiting = collections.deque(roots)
    while waiting:
        path, value = waiting.popleft()
        if type(value) in ATOMS or id(value) in seen:
            continue
        seen[id(value)] = value
        if len(seen) > MAX_OBJECTS:
            raise VerificationError(f"kn.config.verify: the function reaches more than {MAX_OBJECTS:,} objects")
        if not _is_value(value):
            yield path, value
        waiting.extend((_join(path, what), part) for what, part in _parts(value))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What an object refers to, by name."""
    kind = type(value)
    if _is(value, (types.ModuleType, types.BuiltinFunctionType, np.ndarray, range)):
        return
    if _is(value, Tensor):
        yield "grad", value.grad if value.is_leaf else None
        yield from ((f"hooks[{i}]", hook) for i, hook in enumerate(_core.hooks_of(value)))
    elif _is(value, (tuple, list, collections.deque)):
        yield from ((f"[{i}]", item) for i, item in enumerate(_items(value)))
    elif _is(value, dict):
        yield from ((f"[{key!r}]" if type(key) in ATOMS else f"[a {_kind(key)}]", item) for key, item in _pairs(value))
        yield from (("a key", key) for key, _ in _pairs(value) if type(key) not in ATOMS)
    elif _is(value, (set, frozenset)):
        yield from (("an item", item) for item in _items(value))
    elif _is(value, types.CellType):
        if (held := content(value)) is not MISSING:
            yield "value", held
    elif _is(value, types.FunctionType):
        yield from _function_parts(value)
    elif _is(value, types.MethodType):
        yield from (("__self__", value.__self__), ("__func__", value.__func__))
    elif _is(value, functools.partial):
        yield from (("func", value.func), ("args", value.args), ("keywords", value.keywords))
    elif _is(value, (_core.Captured, AssumedConstant)):
        yield "", value._function if _is(value, _core.Captured) else value.function
        return
    elif _is(value, (staticmethod, classmethod)):
        yield "__func__", value.__func__
    elif _is(value, property):
        yield from ((name, getattr(value, name)) for name in ("fget", "fset", "fdel"))
    elif _is(value, type):
        if value.__flags__ & HEAP_TYPE and not _is_foreign(value):
            yield from ((name, part) for name, part in vars(value).items() if name not in ("__dict__", "__weakref__", "__doc__"))
            yield "__bases__", value.__bases__
        return
    yield from _attributes(value).items()
    yield "__class__", kind


def _function_parts(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield f"closure {name!r}", cell
    yield "__defaults__", function.__defaults__
    yield "__kwdefaults__", function.__kwdefaults__
    if _is_foreign(function):
        return
    names = dict.fromkeys(_names(function.__code__))
    for name, value in _named(function.__globals__, names):
        yield f"global {name!r}", value
        if _is(value, types.ModuleType) and value.__name__.partition(".")[0] not in FOREIGN:
            yield from ((f"{name}.{part}", held) for part, held in _named(vars(value), names))


def _named(namespace: dict[str, Any], names: dict[str, None]) -> Iterator[tuple[str, Any]]:
    return ((name, namespace[name]) for name in names if name in namespace)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _attributes(value: Any) -> dict[str, Any]:
    """What an instance holds itself, in its dict and its slots."""
    held: dict[str, Any] = {}
    with contextlib.suppress(AttributeError):
        own = object.__getattribute__(value, "__dict__")
        held.update(own) if isinstance(own, dict) else None
    for base in type(value).__mro__:
        for name, slot in base.__dict__.items():
            if type(slot) is types.MemberDescriptorType and "__slots__" in base.__dict__:
                with contextlib.suppress(AttributeError):
                    held[name] = slot.__get__(value)
    return held


def _content(value: Any, text: Callable[[Any], str]) -> Iterator[tuple[str, str]]:
    """An object's own content, as texts."""
    if _is(value, Tensor):
        values = value.detach().numpy()
        bits = values.tobytes().hex()
        shown = f"{values.tolist()!r}"
        yield "dtype", f"{value.dtype.name} of shape {value.shape}{', with gradients' if value.requires_grad else ''}"
        yield "values", f"{shown if len(shown) <= 60 else shown[:57] + '...'} (bits {bits if len(bits) <= 32 else hash(bits)})"
    elif _is(value, np.ndarray):
        yield "values", f"{value.dtype}{value.shape} {value.tobytes().hex() if value.dtype != object else list(map(text, value.flat))}"
    elif _is(value, np.generic):
        yield "value", value.tobytes().hex()
    elif _is(value, (set, frozenset)):
        yield "items", repr(sorted(map(text, _items(value))))
    elif _is(value, bytearray):
        yield "bytes", bytes(value).hex()
    elif _is(value, (int, float, str, bytes)):
        plain = next(base for base in (int, float, str, bytes) if _is(value, base))
        yield "value", plain.__repr__(value)
    if _is(value, dict):
        yield "keys", f"({', '.join(text(key) for key, _ in _pairs(value))})"
    if _is(value, (list, collections.deque)):
        yield "length", str(sum(1 for _ in _items(value)))
    if not _is(value, (set, frozenset)):
        yield from ((what, text(part)) for what, part in _parts(value))


# ---- putting back ----------------------------------------------------------------------------------------------------------


def _undo(value: Any) -> Callable[[], None] | None:
    """What puts an object's content back as it is now; None for what cannot change."""
    steps = list(_undos(value))
    return (lambda: [step() for step in steps] and None) if steps else None


def _undos(value: Any) -> Iterator[Callable[[], None]]:
    if _is(value, Tensor):
        yield _tensor_undo(value)
    elif _is(value, collections.OrderedDict):
        yield _refill(value, collections.OrderedDict.clear, _fill_ordered, (list(dict.items(value)), [key for key, _ in _pairs(value)]))
    elif _is(value, dict):
        yield _refill(value, dict.clear, dict.update, list(dict.items(value)))
    elif _is(value, list):
        yield _refill(value, list.clear, list.extend, list(_items(value)))
    elif _is(value, set):
        yield _refill(value, set.clear, set.update, list(_items(value)))
    elif _is(value, collections.deque):
        yield _refill(value, collections.deque.clear, collections.deque.extend, list(_items(value)))
    elif _is(value, bytearray):
        yield _refill(value, bytearray.clear, bytearray.extend, bytes(value))
    elif _is(value, types.CellType):
        yield _cell_undo(value)
    elif _is(value, np.ndarray):
        kept = value.copy()
        yield lambda: np.copyto(value, kept) if value.flags.writeable else None
    elif _is(value, types.FunctionType):
        if not _is_foreign(value):
            names = dict.fromkeys(_names(value.__code__))
            yield _namespace_undo(value.__globals__, names)
            for _, module in _named(value.__globals__, names):
                if isinstance(module, types.ModuleType) and module.__name__.partition(".")[0] not in FOREIGN:
                    yield _namespace_undo(vars(module), names)
        yield _refill(value.__dict__, dict.clear, dict.update, dict(value.__dict__))
        return
    elif _is(value, type):
        if value.__flags__ & HEAP_TYPE and not _is_foreign(value):
            yield _class_undo(value)
        return
    if not _is(value, (types.ModuleType, types.BuiltinFunctionType, types.MethodType, _core.Captured, Tensor)) and (
        held := _attributes(value)
    ):
        yield _attributes_undo(value, held)


def _refill(value: Any, clear: Callable, fill: Callable, content: Any) -> Callable[[], None]:
    before = _identities(value)

    def undo() -> None:
        if _identities(value) != before:  # else it would lose its order, as sets do
            clear(value)
            fill(value, content)

    return undo


def _fill_ordered(value: collections.OrderedDict, content: tuple[list[tuple[Any, Any]], list[Any]]) -> None:
    """In the dict's order below it, then brought into its own."""
    pairs, keys = content
    for key, held in pairs:
        collections.OrderedDict.__setitem__(value, key, held)
    for key in keys:
        collections.OrderedDict.move_to_end(value, key)


def _identities(value: Any) -> list[int]:
    """Which objects a container holds, and in which order; bytes as they are."""
    if _is(value, dict):
        return [id(part) for pair in _pairs(value) for part in pair] + [id(key) for key in dict.__iter__(value)]
    return list(value) if _is(value, bytearray) else [id(part) for part in _items(value)]


def _cell_undo(cell: types.CellType) -> Callable[[], None]:
    held = content(cell)

    def undo() -> None:
        if held is not MISSING:
            cell.cell_contents = held
        elif content(cell) is not MISSING:
            del cell.cell_contents

    return undo


def _namespace_undo(namespace: dict[str, Any], names: dict[str, None]) -> Callable[[], None]:
    held = dict(_named(namespace, names))

    def undo() -> None:
        for name in names:
            if name in held:
                if namespace.get(name, names) is not held[name]:
                    namespace[name] = held[name]
            else:
                namespace.pop(name, None)

    return undo


def _class_undo(cls: type) -> Callable[[], None]:
    held = dict(vars(cls))

    def undo() -> None:
        for name in vars(cls).keys() - held.keys():
            type.__delattr__(cls, name)
        for name, value in held.items():
            if vars(cls).get(name, held) is not value:
                type.__setattr__(cls, name, value)

    return undo


def _attributes_undo(value: Any, held: dict[str, Any]) -> Callable[[], None]:
    def undo() -> None:
        now = _attributes(value)
        for name in now.keys() - held.keys():
            object.__delattr__(value, name)
        if list(now) == list(held):
            for name, part in held.items():
                if now[name] is not part:
                    object.__setattr__(value, name, part)
        else:  # also their order
            own = getattr(value, "__dict__", {})
            own.clear()
            for name, part in held.items():
                object.__setattr__(value, name, part)

    return undo


def _tensor_undo(tensor: Tensor) -> Callable[[], None]:
    values = _core.asarray(tensor.detach(), copy=True)
    grad = tensor.grad if tensor.is_leaf else None

    def undo() -> None:
        if tensor.is_leaf and tensor.grad is not grad:
            tensor.grad = grad
        if tensor.detach().numpy().tobytes() != values.numpy().tobytes():
            before = _core.is_grad_enabled()
            _core.set_grad_enabled(False)
            try:
                tensor[...] = values
            finally:
                _core.set_grad_enabled(before)

    return undo
