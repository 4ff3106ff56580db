"""Every operator against its NumPy reference, on the samples of its definition, in every dtype."""

import inspect

import numpy as np
import pytest

import kiln as kn
from calls import DTYPES, FURTHER_DTYPES, OPERATORS, Call, calls


def _quotient_is_exact(got, wanted, x1, x2):
    return ~(np.abs(x1 / x2) >= 2**52) | (x2 == 0) | ~np.isfinite(x1)


LIMITS = {  # where the operator's documentation promises less than everywhere, or its reference does
    "floor_divide": _quotient_is_exact,
    "remainder": _quotient_is_exact,
    "lgamma": lambda got, wanted, x: ~(np.abs(x) < 1e-30),  # SciPy's is infinite at denormals
    "logsumexp": lambda got, wanted, **_: ~(np.isfinite(got) & np.isinf(wanted)),  # the reference overflows
}
REFERENCED = [call for call in calls() if call.op.reference]


def _comparable(call: Call, got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where NumPy's result means something: C leaves conversions of floats beyond an integer's range undefined (Kiln saturates)."""
    numbers = {k: np.asarray(v) for k, v in call.arguments.items() if isinstance(v, (np.ndarray, int, float))}
    comparable = np.ones(got.shape, bool)
    with np.errstate(all="ignore"):
        if got.dtype.kind in "iu":
            limits = np.iinfo(got.dtype)
            for value in numbers.values():
                if value.dtype.kind == "f" and value.shape in ((), got.shape):
                    comparable &= (value > float(limits.min) - 1) & (value < float(limits.max))
        elif got.dtype.kind == "f" and call.op.__name__ in LIMITS:
            comparable &= LIMITS[call.op.__name__](got, wanted, **numbers)
    return comparable


@pytest.mark.parametrize("call", REFERENCED, ids=lambda call: call.name)
def test_operator_computes_what_its_reference_does(call: Call):
    _agrees(call)


@pytest.mark.parametrize("dtype", FURTHER_DTYPES)
def test_operators_compute_what_their_references_do_in_further_dtypes(dtype: str):
    """The operators that take integers as they are; those that turn them into floats do so before anything else."""
    tested = 0
    for call in calls((dtype,)):
        first = next((p for p in call.op.parameters if p["kind"] in ("tensor", "tensors")), None)
        if not call.op.reference or first is None or dtype not in first["accepts"]:
            continue
        try:
            _agrees(call)
        except AssertionError as error:
            raise AssertionError(call.name) from error
        tested += 1
    assert tested > 100


def _agrees(call: Call) -> None:
    results = call.kiln()
    try:
        expected = call.numpy()
    except OverflowError:
        return  # NumPy refuses the number that Kiln saturates
    if isinstance(results, kn.Tensor):
        results, expected = (results,), (expected,)
    for result, wanted in zip(results, expected, strict=True):
        wanted = np.asarray(wanted)
        assert result.shape == wanted.shape
        got = result.numpy()
        with np.errstate(over="ignore"):
            wanted = wanted.astype(got.dtype) if got.dtype == np.float32 else wanted
        comparable = _comparable(call, got, wanted)
        got, wanted = got[comparable], wanted[comparable]
        if wanted.dtype.kind == "f" or got.dtype.kind == "f":
            rtol = 2e-5 if "float32" in (got.dtype.name, wanted.dtype.name) else 1e-11
            np.testing.assert_allclose(got.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=rtol / 10)
        elif got.dtype.name == "bfloat16":  # which NumPy does not know for a float, and whose NaN it takes to differ
            np.testing.assert_array_equal(got.astype(np.float64), wanted.astype(np.float64))
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


@pytest.mark.parametrize("a", DTYPES)
def test_operand_dtypes_are_what_results_follow_from(a: str):
    x = kn.zeros((), a)
    for other in (*DTYPES, True, 1, 1.5):
        y = kn.zeros((), other) if isinstance(other, str) else other
        assert kn.add.operand_dtypes([a, other]) == [kn.add(x, y).dtype] * 2
        assert kn.divide.operand_dtypes([a, other]) == [kn.divide(x, y).dtype] * 2
    assert kn.clip.operand_dtypes(["float32", None, 1]) == [kn.float32] * 3
    assert kn.random_uniform.operand_dtypes([]) == []
    for wrong in ([object()], [a, a, a]):
        with pytest.raises(TypeError):
            kn.add.operand_dtypes(wrong)


def test_samples_cover_all_operators():
    without = [name for name, op in OPERATORS.items() if not op.samples and op.reference]
    assert without == []


def test_conversions_saturate():
    x = kn.asarray([np.nan, np.inf, -np.inf, 1e30, -1e30, 2.9, -2.9])
    assert kn.astype(x, kn.int32).tolist() == [0, 2**31 - 1, -(2**31), 2**31 - 1, -(2**31), 2, -2]
    assert kn.astype(x, kn.uint8).tolist() == [0, 255, 0, 255, 0, 2, 0]
    assert kn.astype(x, kn.bool).tolist() == [True] * 7


def test_reference_shapes_of_zero_size():
    for op in (kn.exp, kn.negative, kn.sum):
        assert op(kn.zeros((0, 3))).size in (0, 1)
    assert kn.sum(kn.zeros((0, 3))).item() == 0
    assert kn.sum(kn.zeros((0, 3)), axis=0).shape == (3,)
