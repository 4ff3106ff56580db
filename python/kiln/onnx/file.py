"""From a graph to a file: the only part that needs the package onnx."""

from typing import Any

import numpy as np

from kiln import _core
from kiln.onnx.graph import Graph, Node, Value

LIMIT = 2**31 - 2**20  # a protobuf message ends at 2 GiB


def require_onnx() -> Any:
    """The package onnx, or an error that says how to get it."""
    try:
        import onnx
    except ImportError as error:
        raise ModuleNotFoundError("to_onnx needs the package onnx: pip install 'kiln[onnx]', or onnx alone", name="onnx") from error
    return onnx


def model_of(graph: Graph, name: str) -> Any:
    """An onnx.ModelProto that onnx.checker accepts, in full."""
    onnx = require_onnx()
    weights = sum(array.nbytes for array in graph.initializers.values())
    if weights > LIMIT:
        raise ValueError(f"to_onnx: {weights / 2**30:.1f} GiB of constants; an ONNX file without external data ends at 2 GiB")
    proto = onnx.helper.make_graph(
        [_node(onnx, node) for node in graph.nodes],
        name,
        [_info(onnx, value) for value in graph.inputs],
        [_info(onnx, value) for value in graph.outputs],
        [onnx.numpy_helper.from_array(array, key) for key, array in graph.initializers.items()],
    )
    opsets = [onnx.helper.make_opsetid("", graph.opset)]
    model = onnx.helper.make_model(proto, opset_imports=opsets, producer_name="kiln", producer_version=_core.__version__)
    model.ir_version = onnx.helper.find_min_ir_version_for(opsets)
    onnx.checker.check_model(model, full_check=True)
    return model


def _dtype(onnx: Any, name: str) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(np.dtype(name))


def _info(onnx: Any, value: Value) -> Any:
    """Symbolic extents keep their names, expressions their text; "_" is an extent of no name."""
    return onnx.helper.make_tensor_value_info(value.name, _dtype(onnx, value.dtype), [None if d == "_" else d for d in value.shape])


def _node(onnx: Any, node: Node) -> Any:
    attributes = {}
    for key, value in node.attributes.items():
        if key == "to":
            value = _dtype(onnx, value)
        elif isinstance(value, np.ndarray):
            value = onnx.numpy_helper.from_array(value)
        attributes[key] = value
    return onnx.helper.make_node(
        node.op, node.inputs, node.outputs, name=f"{node.outputs[0]}/{node.op}", doc_string=node.line or None, **attributes
    )
