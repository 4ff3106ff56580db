"""Whole procedures as ONNX: models, symbolic extents, parameters, names, files, and what is refused."""

import sys

import numpy as np
import onnx
import pytest

import kiln as kn
import kiln.onnx
from onnx_models import assert_agrees, check, counted, run, shapes_of
from procedures import Procedure, Symbolic


def batch(text: str = "batch", value=lambda s: s["batch"], **more) -> Symbolic:
    return Symbolic(text, value, **more)


def longer() -> Symbolic:
    return batch("(batch + 2)", lambda s: s["batch"] + 2)


# ---- models -----------------------------------------------------------------------------------------------------------


def mnist_cnn(random: np.random.Generator) -> Procedure:
    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)

    p = Procedure()
    x = p.input("images", "float32", ("batch", 1, 28, 28))
    for name, shape in (("0", (32, 1, 3, 3)), ("2", (64, 32, 3, 3)), ("6", (128, 9216)), ("8", (10, 128))):
        layer = "conv2d" if len(shape) == 4 else "linear"
        weight, bias = p.parameter(f"{name}.weight", weights(*shape)), p.parameter(f"{name}.bias", weights(shape[0], 100)[:, 0])
        p.layers = [*getattr(p, "layers", []), (layer, weight, bias)]
    for i, (layer, weight, bias) in enumerate(p.layers):
        if i == 2:
            x, _ = p.call("max_pool2d", x, kernel_size=(2, 2), stride=None, padding=(0, 0), dilation=(1, 1))
            x = p.call("reshape", x, shape=(batch(), 9216))
        x = p.call(layer, x, weight, bias)
        x = p.call("relu", x) if i < 3 else p.call("log_softmax", x, axis=-1)
    p.results = x
    return p


def test_mnist_cnn_with_a_symbolic_batch(random):
    p = mnist_cnn(random)
    model = check(p, *([random.normal(size=(n, 1, 28, 28)).astype(np.float32)] for n in (1, 7, 64)), batch=2)
    operators = [node.op_type for node in model.graph.node]
    assert operators == ["Conv", "Relu", "Conv", "Relu", "MaxPool", "Reshape", "Gemm", "Relu", "Gemm", "LogSoftmax"]
    assert shapes_of(model.graph.input) == {"images": ["batch", 1, 28, 28]}
    assert shapes_of(model.graph.output) == {"output": ["batch", 10]}
    assert {"0.weight", "0.bias", "8.weight", "8.bias"} <= {i.name for i in model.graph.initializer}


def test_gradients_of_a_layer(random):
    """The calls that the rules of a convolution, a pool and a loss make."""
    p = Procedure()
    x, target = p.input("x", "float32", ("batch", 2, 8, 8)), p.input("target", "int64", ("batch",))
    weight = p.parameter("weight", random.normal(size=(3, 2, 3, 3)).astype(np.float32))
    y = p.call("conv2d", x, weight)
    pooled, winners = p.call("max_pool2d", y, kernel_size=(2, 2), stride=None, padding=(0, 0), dilation=(1, 1))
    logits = p.call("mean", pooled, axis=(2, 3))
    loss = p.call("cross_entropy", logits, target)
    shares = p.call("broadcast_to", p.call("expand_dims", logits, axis=(2, 3)), shape=(-1, -1, 3, 3))
    dy = p.call("max_pool2d_backward", shares, winners, input_size=(6, 6), kernel_size=(2, 2), padding=(0, 0), dilation=(1, 1))
    dx = p.call("conv2d_data", dy, weight, input_size=(8, 8))
    dw, db = p.call("conv2d_weights", x, dy, kernel_size=(3, 3))
    p.results = {"loss": loss, "gradients": (dx, dw, db)}
    runs = [[random.normal(size=(n, 2, 8, 8)).astype(np.float32), random.integers(0, 3, n)] for n in (1, 5)]
    model = check(p, *runs, batch=2)
    assert [o.name for o in model.graph.output] == ["loss", "gradients.0", "gradients.1", "gradients.2"]


# ---- symbolic extents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda p, x: p.call("reshape", x, shape=(3, batch())),
        lambda p, x: p.call("reshape", x, shape=(batch("(batch * 3)", lambda s: s["batch"] * 3),)),
        lambda p, x: p.call("reshape", x, shape=(batch(), batch("((batch * 3) // batch)", lambda s: 3))),
        lambda p, x: p.call("flatten", x),
        lambda p, x: p.call("flatten", p.call("expand_dims", x, axis=(1, 2)), start_dim=1, end_dim=2),
        lambda p, x: p.call("zeros", shape=(batch(), 2), dtype=kn.int32),
        lambda p, x: p.call("full", batch(form="quotient", factor=7.0, value=lambda s: 7.0 / s["batch"]), shape=(2,), dtype=None),
        lambda p, x: p.call("full_like", x, 2.5, dtype=kn.int64),
        lambda p, x: p.call("arange", start=batch(), stop=None, step=1, dtype=None),
        lambda p, x: p.call("arange", start=1, stop=batch("(batch + 3)", lambda s: s["batch"] + 3), step=2, dtype=kn.float32),
        lambda p, x: p.call("sequence", 3, -2, n=batch(), dtype=kn.int64),
        lambda p, x: p.call("eye", n_rows=batch(), n_cols=None, k=1, dtype=None),
        lambda p, x: p.call("broadcast_to", p.call("sum", x, axis=(0,), keepdims=True), shape=(batch(), 3)),
        lambda p, x: p.call("slice", x, starts=(1, 0), stops=(batch(), 2), steps=()),
        lambda p, x: p.call("slice", x, starts=(batch("(batch + -1)", lambda s: s["batch"] - 1),), stops=(-1,), steps=(-1,)),
        lambda p, x: p.call(
            "slice",
            x,
            starts=(batch("(batch + -1)", lambda s: s["batch"] - 1),),
            stops=(batch("(batch + -2)", lambda s: s["batch"] - 2),),
            steps=(-1,),
        ),
        lambda p, x: p.call("unslice", x, shape=(longer(), 3), starts=(2,), stops=(longer(),), steps=()),
        lambda p, x: p.call("pad", x, before=(batch("(batch % 4)", lambda s: s["batch"] % 4), 0), after=(1, 0), value=2),
        lambda p, x: p.call("multiply", x, batch(form="product", factor=0.5, value=lambda s: 0.5 * s["batch"])),
        lambda p, x: p.call("divide", x, batch(form="ratio", factor=3.0, value=lambda s: s["batch"] / 3)),
        lambda p, x: p.call("add", x, batch("max(batch, 4)", lambda s: max(s["batch"], 4))),
        lambda p, x: p.call("add", x, batch("((batch * -7) // 3)", lambda s: s["batch"] * -7 // 3)),
        lambda p, x: p.call("add", x, batch("((batch * -7) % 3)", lambda s: s["batch"] * -7 % 3)),
        lambda p, x: p.call("add", x, batch("2", lambda s: 2)),
        lambda p, x: p.call("var", x, axis=(0,), correction=1),
        lambda p, x: p.call("argmax", x, axis=None, keepdims=True),
        lambda p, x: p.call("mean", x),
        lambda p, x: p.call("linear", p.call("expand_dims", x, axis=(0,)), p.weight),
    ],
)  # fmt: skip
def test_numbers_that_follow_from_shapes(make):
    p = Procedure()
    x = p.input("x", "float32", ("batch", 3))
    p.weight = p.parameter("weight", np.ones((2, 3), np.float32))
    p.results = make(p, x)
    check(p, counted(1), counted(2), counted(5), batch=6)


@pytest.mark.parametrize("text", ["(batch * 2", "batch)", "(batch - 2)", "max(batch)", "", "rows", "(batch ^ 2)"])
def test_an_expression_that_is_none_is_an_error(text):
    p = Procedure()
    x = p.input("x", "float32", ("batch", 3))
    p.results = p.call("add", x, batch(text))
    with pytest.raises(ValueError, match="the dimension"):
        kn.onnx.model(p.program(batch=2))


# ---- parameters and names ---------------------------------------------------------------------------------------------


def test_parameters_may_be_windows_of_the_state():
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    p = Procedure()
    x = p.input("x", "float32", (4,))
    turned = p.parameter("weight", whole, shape=(4, 3), strides=(1, 4))
    part = p.parameter("weight", whole, offset=5, shape=(2, 2), strides=(4, 1))
    p.results = (p.call("matmul", x, turned), p.call("sum", part, axis=None), turned)
    model = check(p, [np.ones(4, np.float32)])
    assert {"weight", "weight_1"} <= {i.name for i in model.graph.initializer}


def test_names_types_and_metadata():
    p = Procedure()
    x, relu = p.input("output", "float32", ("rows", 4)), p.input("relu", "int32", (2,))
    y = p.call("relu", x, where="net.py:30")
    p.results = {"logits": y, "again": [y, x, None, 3], "relu": relu}
    model = check(p, [np.ones((3, 4), np.float32), np.ones(2, np.int32)], rows=2)
    assert shapes_of(model.graph.input) == {"output": ["rows", 4], "relu": [2]}
    assert shapes_of(model.graph.output) == {"logits": ["rows", 4], "again.0": ["rows", 4], "again.1": ["rows", 4], "relu_1": [2]}
    assert model.graph.node[0].doc_string == "net.py:30"
    assert (model.producer_name, model.producer_version, model.graph.name) == ("kiln", kn.__version__, "forward")
    assert [(o.domain, o.version) for o in model.opset_import] == [("", kn.onnx.DEFAULT_OPSET)]


def test_numbers_become_what_kiln_makes_of_them():
    p = Procedure()
    x = p.input("x", "uint8", (3,))
    p.results = (
        p.call("add", x, 300),
        p.call("add", x, 0.1),
        p.call("multiply", True, x),
        p.call("full", 1e300, shape=(1,), dtype=kn.int32),
    )
    check(p, [np.array([0, 100, 255], np.uint8)])


def test_what_nobody_needs_is_left_out():
    p = Procedure()
    x = p.input("x", "float32", (3,))
    p.parameter("unused", np.ones(1000, np.float32))
    p.call("exp", x)
    p.results = p.call("sqrt", x)
    model = check(p, [np.ones(3, np.float32)])
    assert [n.op_type for n in model.graph.node] == ["Sqrt"] and not model.graph.initializer


# ---- refusals and files -----------------------------------------------------------------------------------------------


def _small() -> Procedure:
    p = Procedure()
    p.results = p.call("exp", p.input("x", "float32", (3,)))
    return p


@pytest.mark.parametrize("opset", [16, 24, -1])
def test_an_opset_out_of_range(opset):
    with pytest.raises(ValueError, match=f"opset {opset}; this Kiln writes 17 to 23"):
        kn.onnx.model(_small().program(), opset)


def test_what_came_later_names_the_opset_it_came_with():
    p = Procedure()
    p.results = p.call("bitwise_and", p.input("x", "int32", (3,)), 1)
    with pytest.raises(NotImplementedError, match=r"BitwiseAnd came with opset 18.*Remedy: to_onnx\(path, opset=18\)"):
        kn.onnx.model(p.program(), 17)


def test_entries():
    program = _small().program()
    program.entries["other"] = program.entries["forward"]
    with pytest.raises(ValueError, match="has 'forward', 'other'; say which: entry="):
        kn.onnx.model(program)
    with pytest.raises(ValueError, match="no entry 'backward'"):
        kn.onnx.model(program, entry="backward")
    assert kn.onnx.model(program, entry="other").graph.name == "other"


def test_an_operator_of_another_version():
    p = _small()
    p.calls[0]["version"] = 99
    with pytest.raises(NotImplementedError, match=r"exp at model\.py:1 .* version 99"):
        kn.onnx.model(p.program())


def test_without_the_package_onnx(monkeypatch):
    program = _small().program()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs the package onnx: pip install 'kiln\[onnx\]'"):
        kn.onnx.model(program)


def test_file(tmp_path):
    path = tmp_path / "model.onnx"
    kn.onnx.to_onnx(_small().program(), path)
    assert_agrees(run(onnx.load(path), [np.ones(3, np.float32)])[0], np.exp(np.ones(3, np.float32)))
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_an_old_file_stays_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        kn.onnx.to_onnx(_small().program(), path)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
