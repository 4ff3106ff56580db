"""Every operator against its NumPy reference, on the samples of its definition, in every dtype."""

import inspect

import numpy as np
import pytest

import kiln as kn
from calls import OPERATORS, Call, calls

REFERENCED = [call for call in calls() if call.op.reference]


@pytest.mark.parametrize("call", REFERENCED, ids=lambda call: call.name)
def test_operator_computes_what_its_reference_does(call: Call):
    results, expected = call.kiln(), call.numpy()
    if isinstance(results, kn.Tensor):
        results, expected = (results,), (expected,)
    for result, wanted in zip(results, expected, strict=True):
        wanted = np.asarray(wanted)
        assert result.shape == wanted.shape
        got = result.numpy()
        if wanted.dtype.kind == "f" or got.dtype.kind == "f":
            rtol = 2e-5 if "float32" in (got.dtype.name, wanted.dtype.name) else 1e-11
            np.testing.assert_allclose(got.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=rtol / 10)
        else:
            np.testing.assert_array_equal(got, wanted)
        assert got.dtype.kind == wanted.dtype.kind or {got.dtype.kind, wanted.dtype.kind} <= set("iub")


@pytest.mark.parametrize("call", calls(("float32", "int32")), ids=lambda call: call.name)
def test_operator_is_deterministic_and_leaves_its_operands_alone(call: Call):
    before = {k: v.copy() for k, v in call.arguments.items() if isinstance(v, np.ndarray)}
    results = []
    for threads in (1, 2):
        kn.set_num_threads(threads)
        kn.manual_seed(7)
        results.append(call.kiln())
    if call.op.__name__ != "empty":
        kn.testing.assert_same_bits(*results)
    for name, value in before.items():
        kn.testing.assert_same_bits(call.arguments[name], value)


@pytest.mark.parametrize("op", OPERATORS.values(), ids=lambda op: op.__name__)
def test_operator_is_complete(op):
    assert op.summary and op.__doc__.startswith(op.__name__ + "(")
    assert getattr(kn, op.__name__) is op
    for name in (op.__name__, *op.aliases):
        assert getattr(kn, name) is op
        if op.is_method:
            assert hasattr(kn.Tensor, name)
    assert list(inspect.signature(op).parameters) == [p["name"] for p in op.parameters]


def test_samples_cover_all_operators():
    without = [name for name, op in OPERATORS.items() if not op.samples and op.reference]
    assert without == []


def test_reference_shapes_of_zero_size():
    for op in (kn.exp, kn.negative, kn.sum):
        assert op(kn.zeros((0, 3))).size in (0, 1)
    assert kn.sum(kn.zeros((0, 3))).item() == 0
    assert kn.sum(kn.zeros((0, 3)), axis=0).shape == (3,)
