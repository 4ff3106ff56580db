"""Writes, which ONNX does not have, as new values: every view of a written storage sees them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import kiln as kn
import kiln.onnx
from onnx_models import check, counted
from procedures import Procedure, Reg


def _counted(p: Procedure, *shape) -> tuple[Reg, Reg]:
    """An input and a copy of it, which may be written."""
    x = p.input("x", "float32", shape)
    return x, p.call("copy", x)


def test_writes_of_whole_tensors():
    p = Procedure()
    x, y = _counted(p, "batch", 3)
    before = p.call("sum", y, axis=None)
    p.in_place("add", y, y, 1)
    p.in_place("multiply", y, y, x)
    between = p.call("sum", y, axis=None)
    p.write(y, 7)
    p.results = (before, between, y, x)
    check(p, counted(2), counted(4), batch=3)


def test_a_write_is_seen_through_every_view():
    p = Procedure()
    _, y = _counted(p, "batch", 3)
    row = p.call("slice", y, starts=(1,), stops=(2,), steps=())
    turned = p.call("permute_dims", y, axes=(1, 0))
    every_other = p.call("slice", turned, starts=(2,), stops=(-1,), steps=(-2,))
    flat = p.call("reshape", y, shape=(-1,))
    p.in_place("add", every_other, every_other, 100)
    p.write(row, p.call("multiply", row, -1))
    p.write(p.call("slice", flat, starts=(0,), stops=(1,), steps=()), 5)
    later = p.call("flip", y, axis=(0,))
    p.write(p.call("slice", later, starts=(0,), stops=(1,), steps=()), p.call("slice", y, starts=(0,), stops=(1,), steps=()))
    p.results = {"y": y, "row": row, "turned": turned, "every_other": every_other, "flat": flat, "flipped": later}
    check(p, counted(2), counted(5), batch=4)


def test_a_write_casts_and_broadcasts():
    p = Procedure()
    x = p.input("x", "float32", (2, 3))
    y, truth = p.call("zeros", shape=(2, 3), dtype=kn.int32), p.call("empty", shape=(2, 3), dtype=kn.bool)
    p.write(y, p.call("slice", x, starts=(1,), stops=(2,), steps=()))
    p.in_place("add", p.call("slice", y, starts=(0,), stops=(1,), steps=()), 1, 2)
    p.write(truth, x)
    p.results = (y, truth)
    check(p, [np.array([[0, 1, 2], [3e9, -2.5, np.nan]], np.float32)])


@pytest.mark.parametrize("kind", ["input", "state"])
def test_a_write_that_would_be_seen_outside_is_refused(kind):
    p = Procedure()
    y = p.input("x", "float32", (2, 3)) if kind == "input" else p.parameter("running_mean", np.zeros((2, 3), np.float32))
    p.in_place("add", p.call("slice", y, starts=(1,), stops=(2,), steps=()), 1, 1, where="train.py:12")
    p.results = y
    name = {"input": "the input 'x'", "state": "the state 'running_mean'"}[kind]
    remedy = {"input": "kn.copy", "state": "eval mode"}[kind]
    with pytest.raises(NotImplementedError, match=f"write at train.py:12 changes {name}.*Remedy: .*{remedy}"):
        kn.onnx.model(p.program())


def test_a_write_to_what_may_be_a_copy_is_refused():
    p = Procedure()
    _, y = _counted(p, 2, 3)
    may_share = p.call("reshape", p.call("matrix_transpose", y), shape=(6,))
    p.write(y, 1, where="train.py:3")
    p.results = may_share
    with pytest.raises(NotImplementedError, match=r"write at train\.py:3 goes to memory that .* Remedy: .*kn.copy"):
        kn.onnx.model(p.program())


def test_a_write_to_repeated_elements_is_refused():
    p = Procedure()
    _, y = _counted(p, 3)
    record = Procedure.call(p, "broadcast_to", y, shape=(2, 3))
    p.results = y
    program = p.program()
    program.entries["forward"].calls = [
        *p.calls,
        {**p.calls[-1], "kind": "write", "op": None, "operands": [("scalar", 1)], "destination": record.number, "where": "a.py:1"},
    ]
    with pytest.raises(NotImplementedError, match=r"write at a\.py:1 goes to repeated elements"):
        kn.onnx.model(program)


# ---- any views and writes ---------------------------------------------------------------------------------------------


def _slice_of(draw, extent: int) -> tuple[int, int, int]:
    """Start, stop and step as slice.indices() gives them, of at least one element."""
    step = draw(st.sampled_from([1, 1, 2, -1, -2]))
    first = draw(st.integers(0, extent - 1))
    count = draw(st.integers(1, (extent - 1 - first) // step + 1 if step > 0 else first // -step + 1))
    return first, max(first + count * step, -1), step


@st.composite
def _programs(draw) -> Procedure:
    p = Procedure()
    x = p.input("x", "float32", (3, 4))
    shapes = {p.call("add", x, 0).number: (3, 4)}
    for _ in range(draw(st.integers(2, 8))):
        number = draw(st.sampled_from(sorted(shapes)))
        shape, y = shapes[number], Reg(number)
        match draw(st.sampled_from(["slice", "slice", "permute_dims", "flip", "expand_dims", "view", "write", "write", "in_place", "add"])):
            case "slice":
                starts, stops, steps = zip(*(_slice_of(draw, extent) for extent in shape), strict=True)
                made = p.call("slice", y, starts=starts, stops=stops, steps=steps)
                shapes[made.number] = tuple(len(range(*s)) for s in zip(starts, stops, steps, strict=True))
            case "permute_dims":
                axes = tuple(draw(st.permutations(range(len(shape)))))
                shapes[p.call("permute_dims", y, axes=axes).number] = tuple(shape[a] for a in axes)
            case "flip":
                shapes[p.call("flip", y, axis=draw(st.sampled_from([None, (0,), (-1,)]))).number] = shape
            case "expand_dims" if len(shape) < 4:
                shapes[p.call("expand_dims", y, axis=(0,)).number] = (1, *shape)
            case "view" if number == 1:
                shapes[p.call("view", y, shape=(2, 6)).number] = (2, 6)
            case "write":
                same = [n for n in sorted(shapes) if shapes[n] == shape]
                p.write(y, draw(st.sampled_from([-5, Reg(draw(st.sampled_from(same)))])))
            case "in_place":
                p.in_place("multiply", y, y, draw(st.sampled_from([2, -1])))
            case "add":
                shapes[p.call("add", y, 1).number] = shape
    p.results = [Reg(n) for n in sorted(shapes)]
    return p


@settings(max_examples=40)
@given(_programs())
def test_any_views_and_writes(p):
    check(p, [np.arange(12, dtype=np.float32).reshape(3, 4)])
