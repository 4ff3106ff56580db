"""Every operator as ONNX, on its own samples: accepted by onnx.checker, run by onnxruntime, equal to Kiln."""

import functools
from collections import defaultdict

import numpy as np
import onnx
import pytest

import kiln as kn
import kiln.onnx
from calls import OPERATORS, Call, calls
from kiln.onnx import table
from onnx_models import assert_agrees, run
from procedures import Procedure, registers_of, single

ANY_SAMPLE_REFUSED = {  # of operators that ONNX has: the calls it has not
    "pow": lambda a: np.asarray(a["x1"]).dtype.kind != "f" and isinstance(a["x2"], np.ndarray) and a["x2"].dtype.kind != "f",
    "dropout": lambda a: a.get("training", True) and a.get("p", 0.5) != 0,
}
RUNTIME_ERRS = {  # where onnxruntime's result is not the operator's, onnx's own evaluator is asked
    ("sum", "int64"): "sums of more than 53 bits are rounded",
}


def _exact_quotients(call: Call) -> np.ndarray | bool:
    x, y = (np.asarray(call.arguments[name]) for name in ("x1", "x2"))
    if "float" not in call.name:
        return True
    with np.errstate(all="ignore"):
        return ~(np.abs(x / y) >= 2**52) | (y == 0) | ~np.isfinite(x)


def _rows_without_infinity(call: Call) -> np.ndarray | bool:
    """onnxruntime's float64 kernel, unlike its float32 one, does not make them NaN."""
    x = call.arguments["x"]
    return True if x.dtype != np.float64 or not np.isposinf(x).any() else ~np.isposinf(x).any(axis=-1, keepdims=True)


LIMITS = {  # where results are compared, of operators for which it is not everywhere
    "remainder": _exact_quotients,  # as in test_operators
    "floor_divide": _exact_quotients,
    "log_softmax": _rows_without_infinity,
}

SUPPORTED = sorted(name for name, op in OPERATORS.items() if table.refusal_of(op) is None)
REFUSED = sorted(table.REFUSALS)


def test_every_operator_has_an_equivalent_or_a_reason():
    assert sorted(SUPPORTED + REFUSED) == sorted(OPERATORS)
    assert all(table.REFUSALS[name].reason and table.REFUSALS[name].remedy for name in REFUSED)


def _agrees(call: Call, opset: int) -> onnx.ModelProto | None:
    """Converts, runs and compares one call; None where it is one that ONNX has not, which must be said."""
    procedure, arrays = single(call)
    if ANY_SAMPLE_REFUSED.get(call.op.__name__, lambda a: False)(call.arguments):
        with pytest.raises(NotImplementedError, match=f"{call.op.__name__} at model.py:7 has no equivalent in ONNX: .*Remedy: "):
            kn.onnx.model(procedure.program(), opset)
        return None
    foreign = next((t for t in ("float16", "bfloat16", "complex64", "complex128") if call.arguments.get("dtype") == getattr(kn, t)), None)
    if foreign is not None:
        with pytest.raises(NotImplementedError, match=f"{call.op.__name__} at model.py:7 is {foreign}: .*Remedy: "):
            kn.onnx.model(procedure.program(), opset)
        return None
    try:
        model = kn.onnx.model(procedure.program(), opset)
    except NotImplementedError as error:
        assert opset < 18 and "opset=18" in str(error), error
        return None
    reference = any((call.op.__name__, a.dtype.name) in RUNTIME_ERRS for a in arrays)
    results = run(model, arrays, reference)
    registers = procedure.replay(*arrays)
    for got, number in zip(results, registers_of(procedure.results), strict=True):
        wanted = registers[number].numpy()
        if call.op.__name__ in ("empty", "empty_like"):
            assert got.shape == wanted.shape and got.dtype == wanted.dtype
        else:
            assert_agrees(got, wanted, LIMITS.get(call.op.__name__, lambda call: True)(call))
    return model


@functools.cache
def _by_operator() -> dict[str, list[Call]]:
    found = defaultdict(list)
    for call in calls():
        found[call.op.__name__].append(call)
    found["empty"] = [Call(OPERATORS["empty"], "empty-0", {"shape": (2, 3), "dtype": kn.int32})]
    found["empty_like"] = [Call(OPERATORS["empty_like"], "empty_like-0", {"x": np.zeros((2, 3), np.int32)})]
    return found


@pytest.mark.parametrize("name", SUPPORTED)
def test_operator_agrees(name: str):
    models = [_agrees(call, kn.onnx.DEFAULT_OPSET) for call in _by_operator()[name]]
    used = {node.op_type for model in models if model is not None for node in model.graph.node}
    promised = [OPERATORS[name].onnx] if OPERATORS[name].onnx else table.CONVERTERS[name].made_of.split(", ")
    assert set(promised) <= used, f"the table says {promised}"


@pytest.mark.parametrize("opset", [kn.onnx.OPSETS.start, kn.onnx.OPSETS.stop - 1])
def test_oldest_and_newest_opset(opset: int):
    for name in SUPPORTED:
        for call in _by_operator()[name]:
            if not call.name.endswith(("float64", "uint8", "bool")):
                _agrees(call, opset)


@pytest.mark.parametrize("name", REFUSED)
def test_operator_without_equivalent_is_named(name: str):
    for call in _by_operator()[name][:1]:
        procedure, _ = single(call)
        with pytest.raises(NotImplementedError) as caught:
            kn.onnx.model(procedure.program())
        refusal = table.REFUSALS[name]
        assert str(caught.value) == f"to_onnx: {name} at model.py:7 has no equivalent in ONNX: {refusal.reason}. Remedy: {refusal.remedy}"


def test_an_operator_that_nobody_has_spoken_of_is_refused(monkeypatch):
    monkeypatch.delitem(table.CONVERTERS, "softmax")
    p = Procedure()
    p.results = p.call("softmax", p.input("x", "float32", (2, 3)), where="model.py:3")
    with pytest.raises(NotImplementedError, match=r"softmax at model\.py:3 has no equivalent in ONNX: nobody has said"):
        kn.onnx.model(p.program())
