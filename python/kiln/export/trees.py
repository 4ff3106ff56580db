"""Arguments and results as trees of plain data: ("tensor", number), ("value", constant), ("tuple" | "list", [...]), ("dict", {...})."""

from collections.abc import Callable, Iterator
from typing import Any

from kiln.export.shape_numbers import ShapeFloat, ShapeInt

_CONSTANTS = (bool, int, float, str, type(None))


def describe(value: Any, number: Callable[[str, Any], int | None], path: str, what: str) -> tuple:
    """The tree of a value. number(path, leaf) gives a tensor's number, None for what is no tensor."""
    if isinstance(value, dict):
        wrong = next((k for k in value if not isinstance(k, str)), None)
        if wrong is not None:
            raise TypeError(f"export: {what} {path or 'value'} is a dict with the key {wrong!r}; keys must be strings")
        return "dict", {k: describe(v, number, f"{path}.{k}" if path else k, what) for k, v in value.items()}
    tensor = number(path, value)
    if tensor is not None:
        return "tensor", tensor
    if isinstance(value, (tuple, list)):
        children = [describe(v, number, f"{path}.{i}" if path else str(i), what) for i, v in enumerate(value)]
        return ("tuple" if isinstance(value, tuple) else "list"), children
    if isinstance(value, (ShapeInt, ShapeFloat)):
        value = int(value) if isinstance(value, ShapeInt) else float(value)  # an escape: an error where it depends on the shapes
    if type(value) in _CONSTANTS:
        return "value", value
    raise TypeError(
        f"export: {what} {path or 'value'} is a {type(value).__name__}; a program takes and gives tensors, numbers, strings and None, "
        "and tuples, lists and dicts of them"
    )


def build(tree: tuple, tensor: Callable[[int], Any]) -> Any:
    """The value that a tree describes."""
    kind, content = tree
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        return {k: build(v, tensor) for k, v in content.items()}
    if kind == "value":
        return content
    children = [build(child, tensor) for child in content]
    return tuple(children) if kind == "tuple" else children


def named_tensors(tree: tuple, path: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """(name, number) of every tensor, in order. Results are called by their place: a dict's keys, "output", "output.1"."""
    kind, content = tree
    if kind == "tensor":
        yield ".".join(path or ("output",)), content
    elif kind == "dict":
        for key, item in content.items():
            yield from named_tensors(item, (*path, key))
    elif kind in ("tuple", "list"):
        for i, item in enumerate(content):
            yield from named_tensors(item, (*(path or ("output",)), str(i)))


def as_text(tree: tuple, tensor: Callable[[int], str]) -> str:
    """The tree as people read it: {low: float32(n,), pair: (int32(), 3)}."""
    kind, content = tree
    if kind == "tensor":
        return tensor(content)
    if kind == "value":
        return repr(content)
    if kind == "dict":
        return "{" + ", ".join(f"{key}: {as_text(item, tensor)}" for key, item in content.items()) + "}"
    items = [as_text(item, tensor) for item in content]
    if kind == "list":
        return f"[{', '.join(items)}]"
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def take_apart(tree: tuple, value: Any, path: str, found: dict[int, Any]) -> None:
    """Collects the tensors of `value`, which must look as the tree says; TypeError or ValueError naming the place otherwise."""
    kind, content = tree
    if kind == "tensor":
        found[content] = (path, value)
    elif kind == "value":
        if type(value) is not type(content) or value != content:
            raise ValueError(f"argument {path} was {content!r} when the program was exported and is part of it; got {value!r}")
    elif kind == "dict":
        if not isinstance(value, dict) or value.keys() != content.keys():
            got = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise TypeError(f"argument {path} must be a dict with the keys {sorted(content)}, got {got}")
        for key, child in content.items():
            take_apart(child, value[key], f"{path}.{key}", found)
    else:
        if not isinstance(value, (tuple, list)) or len(value) != len(content):
            got = f"{len(value)} items" if isinstance(value, (tuple, list)) else type(value).__name__
            raise TypeError(f"argument {path} must be a {kind} of {len(content)} items, got {got}")
        for i, child in enumerate(content):
            take_apart(child, value[i], f"{path}.{i}", found)
