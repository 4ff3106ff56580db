"""Running a function on tensors without values, at as many extents as its symbols need."""

from __future__ import annotations

import inspect
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kiln import _core
from kiln._core import Tensor
from kiln._recorders import run_recorded
from kiln.export import trees
from kiln.export.footprint import Absent, Footprint
from kiln.export.shape_numbers import followed
from kiln.nn.module import Module

_ATTEMPTS = 60  # extents that are tried until enough recordings compare alike


class Signature:
    """The arguments of an exported function: a tree, and the tensors' specifications in its order."""

    def __init__(self, arguments: dict[str, Any], type_of: Callable[[Any], tuple | None]) -> None:
        self.inputs: list[tuple[str, Any, tuple]] = []

        def number(path: str, leaf: Any) -> int | None:
            known = type_of(leaf)
            if known is None:
                return None
            name = known[0] or path
            if any(name == other for other, _, _ in self.inputs):
                raise ValueError(f"export: two inputs are called '{name}'; give them names with spec(..., name=...)")
            self.inputs.append((name, known[1], tuple(known[2])))
            return len(self.inputs) - 1

        self.tree = trees.describe(arguments, number, "", "argument")
        extents = itertools.chain.from_iterable(shape for _, _, shape in self.inputs)
        self.symbols = list(dict.fromkeys(e for e in extents if isinstance(e, str)))

    def shape(self, i: int, values: dict[str, int]) -> tuple[int, ...]:
        return tuple(values[e] if isinstance(e, str) else e for e in self.inputs[i][2])


@dataclass
class Recorded:
    """A function's procedure, the storages it reads that were there before (by state number), and names for them."""

    procedure: Any
    captured: list[tuple[int, Tensor]]
    names: dict[int, str]


@dataclass
class _Attempt:
    recording: Any
    captured: list[tuple[int, Tensor]]
    events: list[tuple]
    values: dict[str, int]

    def comparisons(self) -> list[tuple]:
        return [(e[0], e[4]) for e in self.events]


def record(function: Callable, signature: Signature) -> Recorded:
    """Records a function until its calls are known for all extents of the signature's symbols."""
    while isinstance(function, _core.Captured):
        function = function._function
    footprint = Footprint(function)
    attempts = _attempts(function, signature, footprint)
    for symbol, extent in _other_at(function, signature, footprint, attempts):
        for attempt in attempts:
            attempt.recording.add_constraint("!=", attempt.values[symbol], extent)
    procedure = _core.unify([a.recording for a in attempts], signature.symbols, signature.inputs)
    _check_constants(attempts)
    return Recorded(procedure, attempts[0].captured, footprint.names())


def _attempts(function: Callable, signature: Signature, footprint: Footprint) -> list[_Attempt]:
    wanted = len(signature.symbols) + 4 if signature.symbols else 1
    made: list[_Attempt] = []
    pinned: tuple | None = None
    first_error: Exception | None = None
    for values in itertools.islice(_extents(signature.symbols), _ATTEMPTS):
        try:
            attempt = _attempt(function, signature, footprint, values)
        except (ValueError, IndexError, TypeError) as error:
            if not signature.symbols:
                raise
            first_error = first_error or _with_extents(error, values)
            continue
        if made and attempt.comparisons() != made[0].comparisons():
            pinned = pinned or _first_difference(made[0], attempt)
            continue
        made.append(attempt)
        if len(made) == wanted:
            return made
    if not made or pinned is None:
        raise first_error or AssertionError("no extents were tried")
    left, op, right, where = pinned
    raise ValueError(
        f"export: {where}: the function compares {left} {op} {right}, which follow from {', '.join(signature.symbols)}, and no "
        "other extents were found for which it does the same; give that dimension as a number, or do not branch on it"
    )


def _other_at(function: Callable, signature: Signature, footprint: Footprint, attempts: list[_Attempt]) -> list[tuple[str, int]]:
    """Symbols with extents of 0 or 1 for which the calls are others: what was not broadcast need not be summed again, for one."""
    other = []
    for symbol, extent in itertools.product(signature.symbols, (0, 1)):
        try:
            special = _attempt(function, signature, footprint, attempts[0].values | {symbol: extent})
        except Exception:  # the function fails there, and the program by the same rules, or a constraint keeps it away
            continue
        if special.comparisons() != attempts[0].comparisons():  # a constraint of the function's own keeps it away
            continue
        try:
            _core.unify([a.recording for a in (*attempts, special)], signature.symbols, signature.inputs)
        except ValueError:
            other.append((symbol, extent))
    return other


def _extents(symbols: list[str]):
    """Values for the symbols: distinct, first small odd ones that nothing else in a program is likely to be, then of all sizes."""
    if not symbols:
        yield {}
        return
    draw = random.Random(0)
    for attempt in itertools.count():
        low, high = ((5, 40), (2, 12), (32, 200), (128, 1100), (14, 66))[attempt % 5 if attempt >= 6 else 0]
        pool = [n for n in range(low, high) if attempt > 2 or n % 2]
        yield dict(zip(symbols, draw.sample(pool, len(symbols)), strict=True))


def _with_extents(error: Exception, values: dict[str, int]) -> Exception:
    extents = ", ".join(f"{name} = {value}" for name, value in values.items())
    hint = "; dimensions that must be equal take the same name" if len(values) > 1 else ""
    made = type(error)(f"export: with {extents}: {error}{hint}")
    made.__cause__ = error
    return made


def _first_difference(a: _Attempt, b: _Attempt) -> tuple:
    for x, y in zip(a.events, b.events, strict=False):
        if (x[0], x[4]) != (y[0], y[4]):
            return x[1], x[0], x[2], x[4]
    longer = max(a.events, b.events, key=len)
    x = longer[min(len(a.events), len(b.events))]
    return x[1], x[0], x[2], x[4]


def _attempt(function: Callable, signature: Signature, footprint: Footprint, values: dict[str, int]) -> _Attempt:
    attempt = _run(function, signature, footprint, values, keep_gradients=True)
    fresh = footprint.made_gradients()
    footprint.restore()
    if fresh:
        _check_second_call(function, signature, footprint, values, attempt, fresh)
    return attempt


def _check_second_call(function, signature, footprint, values, first: _Attempt, fresh: list[Tensor]) -> None:
    """A function that leaves gradients behind must do the same when it finds them: it clears them first."""
    try:
        for tensor in fresh:
            tensor.grad = _core.operators["zeros_like"](tensor.detach())
        second = _run(function, signature, footprint, values, keep_gradients=False)
        same = len(second.captured) == len(first.captured)
        if same:
            _core.unify([first.recording, second.recording], signature.symbols, signature.inputs)
    except ValueError:
        same = False
    finally:
        footprint.restore()
    if not same:
        raise RuntimeError(
            "export: the function leaves gradients behind, and would do something else when it found them at its next call; call "
            "zero_grad() in it before backward()"
        )


def _run(function: Callable, signature: Signature, footprint: Footprint, values: dict[str, int], keep_gradients: bool) -> _Attempt:
    recorder = _core.ProcedureRecorder()
    tensors = [recorder.add_input(signature.shape(i, values), dtype) for i, (_, dtype, _) in enumerate(signature.inputs)]
    arguments = trees.build(signature.tree, tensors.__getitem__)
    returned: list[Tensor] = []

    def register(_: str, leaf: Any) -> int | None:
        if isinstance(leaf, Tensor):
            returned.append(leaf)
            return recorder.register_of(leaf)
        return None

    ok = False
    try:
        with followed(bool(signature.symbols)) as events:
            result = run_recorded("export", recorder, lambda: _call(function, arguments))
            trees.describe(result, register, "", "result")
        _check_changes(footprint)
        if trees.describe(arguments, _numbers_of(tensors), "", "argument") != signature.tree:
            raise RuntimeError("export: the function changes a list or dict that it was given; return what is new instead")
        ok = True
    finally:
        if not (ok and keep_gradients):
            footprint.restore()
    events = events if signature.symbols else []
    recording = recorder.take(list(values.values()), events, list(returned))
    recording.set_trees(signature.tree, trees.describe(result, register, "", "result"))  # registers have their final numbers now
    return _Attempt(recording, recorder.captured(), events, values)


def _call(function: Callable, arguments: dict[str, Any]) -> Any:
    source = function.forward if isinstance(function, Module) else function
    try:
        parameters = inspect.signature(source).parameters
    except (TypeError, ValueError):
        return function(*arguments.values())
    args, kwargs = [], {}
    for name, value in arguments.items():
        kind = parameters[name].kind if name in parameters else None
        if kind is inspect.Parameter.KEYWORD_ONLY or (kind is None and _takes_keywords(parameters)):
            kwargs[name] = value
        else:
            args.append(value)
    return function(*args, **kwargs)


def _takes_keywords(parameters) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _numbers_of(tensors: list[Tensor]):
    return lambda _, leaf: next((i for i, t in enumerate(tensors) if t is leaf), -1) if isinstance(leaf, Tensor) else None


def _check_changes(footprint: Footprint) -> None:
    for path, before, after in footprint.changes():
        if isinstance(before, Absent):
            what = f"adds {path}, {_shown(after)}"
        elif isinstance(after, Absent):
            what = f"removes {path}, {_shown(before)}"
        else:
            what = f"changes {path} from {_shown(before)} to {_shown(after)}"
        raise RuntimeError(
            f"export: the function {what}, and a program keeps no Python state; write in place to tensors that were there before, return "
            "what is new, or (where only a first call does this) call the function once before exporting it"
        )


def _shown(value: Any) -> str:
    return repr(value)[:60] if isinstance(value, (int, float, str, type(None))) else f"a {type(value).__name__}"


def _check_constants(attempts: list[_Attempt]) -> None:
    """What every recording captured must be the same: a tensor made inside the function from shapes would be frozen."""
    for i, (storage, tensor) in enumerate(attempts[0].captured):
        for other in attempts[1:]:
            its_storage, its_tensor = other.captured[i]
            if its_storage == storage:
                continue
            a, b = tensor.detach().numpy(), its_tensor.detach().numpy()
            if a.shape != b.shape or a.tobytes() != b.tobytes():
                raise ValueError(
                    f"export: an array of shape {a.shape} is made outside of Kiln's operators from numbers that follow from shapes; "
                    "make it with kiln's operators (arange, zeros, full, ...)"
                )
