"""Nested tuples, lists and dicts of tensors: taken apart into leaves and put together again."""

from collections.abc import Callable, Iterator
from typing import Any


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of `tree`, in order, and a function that builds the same structure from other leaves."""
    leaves: list[Any] = []
    _collect(tree, leaves)
    return leaves, lambda replacements: _rebuild(tree, iter(replacements))


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with each leaf replaced by function(leaf)."""
    leaves, rebuild = flatten(tree)
    return rebuild([function(leaf) for leaf in leaves])


def _collect(tree: Any, leaves: list[Any]) -> None:
    if isinstance(tree, (tuple, list)):
        for item in tree:
            _collect(item, leaves)
    elif isinstance(tree, dict):
        for item in tree.values():
            _collect(item, leaves)
    else:
        leaves.append(tree)


def _rebuild(tree: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):  # a namedtuple
        return type(tree)(*(_rebuild(item, leaves) for item in tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(_rebuild(item, leaves) for item in tree)
    if isinstance(tree, dict):
        return type(tree)((key, _rebuild(item, leaves)) for key, item in tree.items())
    return next(leaves)
