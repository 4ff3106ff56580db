"""Nested tuples, lists, dicts and registered classes of tensors: taken apart into leaves and put together again. The one code for it.

A structure is plain data, ("*",) for a leaf and (class, what its flatten says beside the children, children's structures) for a node, so
that two can be compared, and so that captured functions can be recorded through them.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Structure = tuple
LEAF: Structure = ("*",)

_registered: dict[type, tuple[Callable, Callable]] = {}


def register_pytree(cls: type, flatten: Callable | None = None, unflatten: Callable | None = None) -> type:
    """Makes instances of a class nodes of the trees that grad, vjp, vmap and the others walk; leaves are what is inside of them.

    flatten(obj) gives (children, rest): what may hold tensors, and a hashable constant of everything else. unflatten(rest, children)
    builds an object of them. Of a dataclass both may be left out: its fields are the children. Also a decorator; gives the class.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_pytree takes a class, not a {type(cls).__name__}")
    if flatten is None and unflatten is None and dataclasses.is_dataclass(cls):
        names = tuple(field.name for field in dataclasses.fields(cls) if field.init)
        flatten, unflatten = _Fields(cls, names), _Made(cls, names)
    for what, function in (("flatten", flatten), ("unflatten", unflatten)):
        if not callable(function):
            raise TypeError(f"register_pytree: {cls.__name__} needs a function {what} (only a dataclass can do without)")
    if cls in _registered or issubclass(cls, (tuple, list, dict)):
        raise ValueError(f"register_pytree: {cls.__name__} is a node of trees already")
    _registered[cls] = (flatten, unflatten)
    return cls


class _Fields:
    """A dataclass's fields as children."""

    def __init__(self, cls: type, names: tuple[str, ...]) -> None:
        self.cls, self.names = cls, names

    def __call__(self, obj: Any) -> tuple[list[Any], tuple[str, ...]]:
        return [getattr(obj, name) for name in self.names], self.names


class _Made(_Fields):
    def __call__(self, names: tuple[str, ...], children: list[Any]) -> Any:
        return self.cls(**dict(zip(names, children)))  # noqa: B905  the caller has counted them


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of `tree`, in order, and a function that builds the same structure from other leaves."""
    leaves, structure = split(tree)
    return leaves, lambda replacements: join(structure, replacements)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with each leaf replaced by function(leaf)."""
    leaves, structure = split(tree)
    return join(structure, [function(leaf) for leaf in leaves])


def split(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of `tree`, in order, and its structure."""
    leaves: list[Any] = []
    return leaves, _split(tree, leaves)


def _split(tree: Any, leaves: list[Any]) -> Structure:
    node = children_of(tree)
    if node is None:
        leaves.append(tree)
        return LEAF
    rest, children = node
    return (type(tree), rest, tuple([_split(child, leaves) for child in children]))


def children_of(tree: Any) -> tuple[Any, list[Any]] | None:
    """What a node holds: (what is not its children, its children); None of a leaf."""
    known = _registered.get(type(tree))
    if known is not None:
        return _ask(tree, known[0])
    if isinstance(tree, (tuple, list)):
        return None, list(tree)
    if isinstance(tree, dict):
        rest = (tuple(tree), tree.default_factory) if isinstance(tree, defaultdict) else tuple(tree)
        return rest, list(tree.values())
    return None


def _ask(tree: Any, flatten: Callable) -> tuple[Any, list[Any]]:
    name = type(tree).__name__
    given = flatten(tree)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise TypeError(f"the flatten of {name} must give (children, rest), not a {type(given).__name__}")
    children, rest = given
    if not isinstance(children, (tuple, list)):
        raise TypeError(f"the flatten of {name} must give its children as a tuple or list, not as a {type(children).__name__}")
    try:
        hash(rest)
    except TypeError:
        raise TypeError(f"the flatten of {name} must give a hashable rest beside the children, not a {type(rest).__name__}") from None
    return rest, list(children)


def join(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of a structure and its leaves, as many as it has."""
    given = list(leaves)
    count = leaves_of(structure)
    if len(given) != count:
        raise ValueError(f"a structure of {count} leaves cannot be built of {len(given)}")
    return _join(structure, iter(given))


def _join(structure: Structure, leaves: Iterator[Any]) -> Any:
    if len(structure) == 1:
        return next(leaves)
    cls, rest, parts = structure
    children = [_join(part, leaves) for part in parts]
    known = _registered.get(cls)
    if known is not None:
        return known[1](rest, children)
    if issubclass(cls, tuple):
        return cls(*children) if hasattr(cls, "_fields") else cls(children)
    if issubclass(cls, list):
        return cls(children)
    if issubclass(cls, defaultdict):
        keys, factory = rest
        return cls(factory, zip(keys, children))  # noqa: B905  a structure's own
    return cls(zip(rest, children))  # noqa: B905


def leaves_of(structure: Structure) -> int:
    """How many leaves a structure has."""
    return 1 if len(structure) == 1 else sum([leaves_of(part) for part in structure[2]])


def along(structure: Structure, tree: Any, what: str, prefix: bool = False, none: bool = False) -> list[Any]:
    """What `tree` has at the places of a structure's leaves. Dicts are compared by their keys, not by the order of these.

    Throws ValueError, naming the place in `what`, where `tree` is built otherwise. prefix: a leaf of `tree` stands for a whole part of the
    structure. none: so does None.
    """
    found: list[Any] = []
    _along(structure, tree, what, prefix, none, found)
    return found


def _along(structure: Structure, tree: Any, what: str, prefix: bool, none: bool, found: list[Any]) -> None:
    if len(structure) == 1:
        if children_of(tree) is not None:
            raise ValueError(f"{what} must be a leaf, not a {type(tree).__name__}")
        found.append(tree)
        return
    cls, rest, parts = structure
    if (none and tree is None) or (prefix and children_of(tree) is None):
        found += [tree] * leaves_of(structure)
        return
    node = children_of(tree)
    if node is None or (type(tree) is not cls and not (cls in (tuple, list) and type(tree) in (tuple, list))):
        raise ValueError(f"{what} must be a {cls.__name__} of {len(parts)}, not a {type(tree).__name__}")
    is_dict = issubclass(cls, dict)
    if is_dict:
        keys = rest[0] if issubclass(cls, defaultdict) else rest
        if len(tree) != len(keys) or not all(key in tree for key in keys):
            raise ValueError(f"{what} must have the keys {list(keys)}, not {list(tree)}")
        for key, part in zip(keys, parts, strict=True):
            _along(part, tree[key], f"{what}[{key!r}]", prefix, none, found)
        return
    if len(node[1]) != len(parts):
        raise ValueError(f"{what} must be a {cls.__name__} of {len(parts)}, not of {len(node[1])}")
    if cls in _registered and node[0] != rest:
        raise ValueError(f"{what} must be a {cls.__name__} like the one before, with {rest!r} beside its children, not {node[0]!r}")
    for i, (part, child) in enumerate(zip(parts, node[1], strict=True)):
        _along(part, child, f"{what}[{i}]", prefix, none, found)


def path_of(structure: Structure, place: int) -> str:
    """Where a leaf is, by its number, as one would write it behind the tree's name: "['w'][0]"."""
    path = ""
    while len(structure) > 1:
        cls, rest, parts = structure
        i = 0
        while place >= leaves_of(parts[i]):
            place -= leaves_of(parts[i])
            i += 1
        keys = (rest[0] if issubclass(cls, defaultdict) else rest) if issubclass(cls, dict) else range(len(parts))
        path, structure = f"{path}[{keys[i]!r}]", parts[i]
    return path
