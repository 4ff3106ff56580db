"""Any value as text that differs where a program could tell two values apart: bits, exact types, order, and which objects are one.

Memory addresses and hashes are not in it, so that two runs of one program give the same text.
"""

import collections
import enum
import functools
import random
import types
from typing import Any

import numpy as np

import kiln as kn
from kiln.jit import Jitted

SIMPLE = (type(None), bool, int, str, bytes, range, type(Ellipsis), type(NotImplemented))
ITERATORS = tuple(type(iter(value)) for value in ([], (), {}, "", b"", range(0)))


def text_of(value: Any) -> str:
    """One value, by itself."""
    return Describer().text(value)


class Describer:
    """Texts of values that may share objects: the second mention of an object is its number."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._memory: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no address is used twice

    def text(self, value: Any) -> str:
        kind = type(value)
        if kind in SIMPLE:
            return repr(value)
        if kind is float:
            return _float(value)
        if kind is complex:
            return f"({_float(value.real)}+{_float(value.imag)}j)"
        if isinstance(value, enum.Enum):
            return f"{kind.__name__}.{value.name}"
        if isinstance(value, Jitted):
            return self.text(value.__wrapped__)
        if id(value) in self._numbers:
            return f"#{self._numbers[id(value)]}"
        if kind is not tuple and not isinstance(value, np.generic):
            self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        return self._content(value, kind)

    def _content(self, value: Any, kind: type) -> str:
        if isinstance(value, kn.Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray):
            return f"array {value.dtype}{value.shape} {value.tobytes().hex()}"
        if isinstance(value, kn.dtype | np.dtype):
            return f"dtype {value.name}"
        if isinstance(value, np.generic):
            return f"{kind.__name__} {value.tobytes().hex()}"
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            return f"method {value.__name__} of {self.text(value.__self__)}"
        if isinstance(value, functools.partial):
            return f"partial({self.text(value.func)}, {self.text(value.args)}, {self.text(value.keywords)})"
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.CellType):
            return f"cell({self.text(value.cell_contents)})" if _is_full(value) else "cell()"
        if isinstance(value, BaseException):
            return f"{kind.__name__}({', '.join(map(self.text, value.args))})"
        if isinstance(value, random.Random):
            return f"Random {hash(value.getstate())}"
        if isinstance(value, np.random.Generator):
            return f"Generator {value.bit_generator.state}"
        if isinstance(value, ITERATORS):
            return f"{kind.__name__} {self.text(value.__reduce__()[1:])}"
        return self._container(value, kind) + self._attributes(value)

    def _container(self, value: Any, kind: type) -> str:
        if isinstance(value, dict):
            pairs = ", ".join(f"{self.text(k)}: {self.text(v)}" for k, v in dict.items(value))
            own = f" as {self.text(list(value))}" if isinstance(value, collections.OrderedDict) else ""  # its order, beside the dict's
            return _named(kind, dict, f"{{{pairs}}}{own}")
        if isinstance(value, (list, collections.deque)):
            return _named(kind, list, f"[{', '.join(map(self.text, value))}]")
        if isinstance(value, tuple):
            items = ", ".join(map(self.text, tuple.__iter__(value)))
            return _named(kind, tuple, f"({items},)" if len(value) == 1 else f"({items})")
        if isinstance(value, (set, frozenset)):
            return _named(kind, set, f"{{{', '.join(sorted(map(text_of, value)))}}}")
        if isinstance(value, (int, float, str, bytes)):
            plain = next(base for base in (int, float, str, bytes) if isinstance(value, base))
            return _named(kind, plain, f"({text_of(plain(value))})")
        return kind.__name__

    def _tensor(self, value: kn.Tensor) -> str:
        values = value.detach()
        bits = values.astype(kn.float32) if value.dtype is kn.bfloat16 else values
        array = bits.numpy()
        text = f"{value.dtype.name}{value.shape} {array.tobytes().hex()}"
        if values.is_leaf and value.dtype is not kn.bfloat16 and array.size:
            address = array.__array_interface__["data"][0]
            known = address in self._memory
            number = self._memory.setdefault(address, len(self._memory))
            text += f" memory {number}" if known else ""
        if type(value) is not kn.Tensor:
            text = f"{type(value).__name__} {text}"
        if value.requires_grad:
            text += f" grad_fn={value.grad_fn}" if value.grad_fn else f" grad={self.text(value.grad)}"
        return text + self._attributes(value)

    def _function(self, value: types.FunctionType) -> str:
        parts = [value.__qualname__]
        if value.__defaults__ or value.__kwdefaults__:
            parts.append(f"defaults {self.text(value.__defaults__)} {self.text(value.__kwdefaults__)}")
        if value.__closure__:
            names = zip(value.__code__.co_freevars, value.__closure__, strict=True)
            parts.append("closure " + ", ".join(f"{name}={self.text(cell)}" for name, cell in names))
        return f"<{'; '.join(parts)}>" + self._attributes(value)

    def _class(self, value: type) -> str:
        if not value.__module__.startswith("capture."):
            return f"class {value.__qualname__}"
        hidden = {"__dict__", "__weakref__", "__module__", "__doc__", "_abc_impl"}
        own = {k: v for k, v in vars(value).items() if k not in hidden and not isinstance(v, types.MemberDescriptorType)}
        bases = ", ".join(base.__name__ for base in value.__bases__)
        return f"class {value.__qualname__}({bases}) {self.text(own)}"

    def _attributes(self, value: Any) -> str:
        attributes = dict(getattr(value, "__dict__", None) or {})
        attributes.pop("__wrapped__", None)
        for cls in type(value).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            for name in [slots] if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and isinstance(cls.__dict__.get(name), types.MemberDescriptorType):
                    try:
                        attributes[name] = cls.__dict__[name].__get__(value)
                    except AttributeError:
                        continue
        return f" {self.text(attributes)}" if attributes else ""


def _float(value: float) -> str:
    return f"nan:{np.float64(value).tobytes().hex()}" if value != value else repr(value)


def _named(kind: type, plain: type, text: str) -> str:
    return text if kind is plain else f"{kind.__name__}{text}"


def _is_full(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
