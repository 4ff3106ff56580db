"""Running ONNX models in tests, and holding them against Kiln."""

import functools

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

import kiln.onnx
from procedures import Procedure, registers_of


@functools.cache
def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return options


def run(model: onnx.ModelProto, arrays: list[np.ndarray], reference: bool = False) -> list[np.ndarray]:
    """By onnxruntime; by onnx's evaluator where asked, and where onnxruntime has no kernel for a dtype."""
    feeds = {i.name: a for i, a in zip(model.graph.input, arrays, strict=True)}
    if not reference:
        try:
            return onnxruntime.InferenceSession(model.SerializeToString(), _options()).run(None, feeds)
        except NoKernel:
            assert any(i.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE for i in model.graph.input)
    with np.errstate(all="ignore"):
        return [np.asarray(y) for y in ReferenceEvaluator(model).run(None, feeds)]


def assert_agrees(got: np.ndarray, wanted: np.ndarray, where: np.ndarray | bool = True) -> None:
    """Integers and bools equal; floats within 1e-5 of the greatest, infinities and NaN in their places."""
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    where = np.broadcast_to(where, wanted.shape)
    got, wanted = got[where], wanted[where]
    finite = np.isfinite(wanted) if wanted.dtype.kind == "f" else np.zeros(wanted.shape, bool)
    np.testing.assert_array_equal(got[~finite], wanted[~finite])
    if finite.any():
        difference = np.abs(got[finite].astype(np.float64) - wanted[finite])
        assert difference.max() <= 1e-5 * np.abs(wanted[finite].astype(np.float64)).max()


def check(p: Procedure, *runs: list[np.ndarray], **extents: int) -> onnx.ModelProto:
    """One model for all runs' inputs."""
    model = kiln.onnx.model(p.program(**extents))
    for arrays in runs:
        registers = p.replay(*arrays)
        for got, number in zip(run(model, arrays), registers_of(p.results), strict=True):
            assert_agrees(got, registers[number].numpy())
    return model


def shapes_of(values) -> dict[str, list]:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


def counted(extent: int) -> list[np.ndarray]:
    """The one input of shape (extent, 3)."""
    return [np.arange(extent * 3, dtype=np.float32).reshape(extent, 3)]
