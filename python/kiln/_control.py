"""Control flow by hand: cond, while_loop, scan. They are plain Python, so they mean what the same written out would; under kiln.jit their
loops and branches are recorded as any others are, and run without Python where they only compute."""

from collections.abc import Callable
from typing import Any

from kiln import _core, _tree
from kiln._core import Tensor

_op = _core.operators


def cond(p: Any, then: Callable, other: Callable, *xs: Any) -> Any:
    """then(*xs) where p is true, else other(*xs). p: a tensor of one element, or anything that is true or false.

    Only the one that is asked for is called. Gradients are those of what it did.
    """
    _check_callable("cond", then=then, other=other)
    return then(*xs) if p else other(*xs)


def while_loop(cond: Callable, body: Callable, state: Any) -> Any:
    """state = body(state) as long as cond(state) is true; gives the last state.

    state: a tensor, a number, or tuples, lists and dicts of such. body gives one of the same structure, shapes and dtypes, or it is a
    TypeError that names the leaf. Gradients are those of the iterations, one after the other.
    """
    _check_callable("while_loop", cond=cond, body=body)
    while cond(state):
        after = body(state)
        if not _is_like(state, after):
            raise TypeError(f"while_loop: body must give a state of the same kind, but {_difference(state, after, 'state')}")
        state = after
    return state


def scan(f: Callable, init: Any, xs: Any) -> tuple[Any, Any]:
    """carry, y = f(carry, x) for each x along the first axis of xs, beginning with init; gives the last carry, and the y's stacked.

    xs: a tensor, or tuples, lists and dicts of such, all of one length, which is at least 1 (ValueError). The carry keeps its structure,
    shapes and dtypes (TypeError). Gradients are those of the calls, one after the other.
    """
    _check_callable("scan", f=f)
    leaves, rebuild = _tree.flatten(xs)
    count = _length_of(leaves)
    carry, rows, shape = init, [], None
    for i in range(count):
        result = f(carry, rebuild([leaf[i] for leaf in leaves]))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"scan: f must give a pair (carry, y), not {type(result).__name__}")
        after, y = result
        if not _is_like(carry, after):
            raise TypeError(f"scan: f must give a carry of the same kind, but {_difference(carry, after, 'carry')}")
        carry = after
        parts, shape = _tree.flatten(y)
        rows.append(parts)
    return carry, shape([_op["stack"]([_core.asarray(row[k]) for row in rows]) for k in range(len(rows[0]))])


def _length_of(leaves: list[Any]) -> int:
    for leaf in leaves:
        if not isinstance(leaf, Tensor) or leaf.ndim == 0:
            what = f"a tensor of shape {leaf.shape}" if isinstance(leaf, Tensor) else f"a {type(leaf).__name__}"
            raise TypeError(f"scan: xs must be tensors of at least one dimension, not {what}")
    lengths = [leaf.shape[0] for leaf in leaves]
    if not leaves or lengths[0] == 0:
        raise ValueError("scan: xs has nothing to go through: it needs a first axis of at least 1")
    for length in lengths:
        if length != lengths[0]:
            raise ValueError(f"scan: xs must be of one length, not {lengths}")
    return lengths[0]


def _check_callable(name: str, **functions: Any) -> None:
    for argument, function in functions.items():
        if not callable(function):
            raise TypeError(f"{name}: {argument} must be a function, not {type(function).__name__}")


def _is_like(before: Any, after: Any) -> bool:
    """Is it of the same structure, shapes and dtypes?"""
    if isinstance(before, Tensor):
        return isinstance(after, Tensor) and _core.same_type(before, after)
    if type(before) is not type(after):
        return False
    if isinstance(before, (tuple, list)):
        if len(before) != len(after):
            return False
        for b, a in zip(before, after, strict=True):
            if not _is_like(b, a):
                return False
    elif isinstance(before, dict):
        if list(before) != list(after):
            return False
        for key in before:
            if not _is_like(before[key], after[key]):
                return False
    return True


def _difference(before: Any, after: Any, path: str) -> str:
    """Of two that are not alike: where, and what they are."""
    if isinstance(before, (tuple, list)) and type(before) is type(after) and len(before) == len(after):
        for i, (b, a) in enumerate(zip(before, after, strict=True)):
            if not _is_like(b, a):
                return _difference(b, a, f"{path}[{i}]")
    if isinstance(before, dict) and type(before) is type(after) and list(before) == list(after):
        for key in before:
            if not _is_like(before[key], after[key]):
                return _difference(before[key], after[key], f"{path}[{key!r}]")
    return f"{path} was {_kind(before)} and became {_kind(after)}"


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('kiln.')}{value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {list(value)}"
    return f"the {type(value).__name__} {value!r}"
