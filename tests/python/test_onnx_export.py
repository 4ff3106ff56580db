"""Exported functions as ONNX files: what onnxruntime makes of them, and what is refused."""

import numpy as np
import onnx
import pytest

import kiln as kn
import kiln.onnx
from kiln import nn
from onnx_models import assert_agrees, run


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.out = nn.Linear(4 * 6 * 6, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(kn.relu(self.conv(x)), 2)
        return kn.log_softmax(self.out(kn.flatten(x, 1)), -1)


def _tensors(tree):
    if isinstance(tree, kn.Tensor):
        return [tree.numpy()]
    items = tree.values() if isinstance(tree, dict) else tree
    return [t for item in items for t in _tensors(item)]


def _check(program, path, *arrays: np.ndarray) -> onnx.ModelProto:
    kiln.onnx.to_onnx(program, path)
    model = onnx.load(path)
    wanted = _tensors(program(*[kn.asarray(a, copy=True) for a in arrays]))
    for got, w in zip(run(model, list(arrays)), wanted, strict=True):
        assert_agrees(got, w)
    return model


def test_a_network_with_a_symbolic_batch(random, tmp_path):
    program = kn.export(Net(), kn.spec(("batch", 1, 14, 14)))
    for n in (1, 7, 64):
        model = _check(program, tmp_path / "net.onnx", random.normal(size=(n, 1, 14, 14)).astype(np.float32))
    assert [node.op_type for node in model.graph.node] == ["Conv", "Relu", "MaxPool", "Reshape", "Gemm", "LogSoftmax"]
    assert {"conv.weight", "conv.bias", "out.weight", "out.bias"} <= {i.name for i in model.graph.initializer}


def test_attention_with_two_symbols(random, tmp_path):
    def attention(x, weight):
        batch, length, channels = x.shape
        heads = (x @ weight).reshape(batch, length, 4, channels // 4).permute_dims(0, 2, 1, 3)
        scores = kn.softmax(heads @ heads.mT / (channels // 4) ** 0.5, -1)
        mixed = (scores @ heads).permute_dims(0, 2, 1, 3).reshape(batch, length, channels)
        return {"mixed": mixed, "mean": kn.mean(mixed, axis=0), "ends": (mixed[0], mixed[-1, :, ::-1])}

    program = kn.export(attention, kn.spec(("batch", "length", 16)), kn.spec((16, 16)))
    for batch, length in ((1, 3), (2, 5), (4, 1)):
        arrays = [random.normal(size=s).astype(np.float32) for s in ((batch, length, 16), (16, 16))]
        model = _check(program, tmp_path / "attention.onnx", *arrays)
    assert [o.name for o in model.graph.output] == ["mixed", "mean", "ends.0", "ends.1"]


def test_writes_and_numbers_from_shapes(random, tmp_path):
    def f(x):
        n = x.shape[0]
        y = kn.zeros_like(x)
        y[...] = x
        y[:, 1:] += 1
        y[0] = 5
        turned = y.T
        turned *= 2
        y[-1] = y[0]
        return y, turned, x.sum() / n, kn.arange(n) * 2, kn.zeros((n, n + 1)), (x * n).var(axis=0, correction=1)

    program = kn.export(f, kn.spec(("n", 4)))
    for n in (2, 3, 6):
        _check(program, tmp_path / "f.onnx", random.normal(size=(n, 4)).astype(np.float32))


def test_gradients(random, tmp_path):
    net = Net()
    slope = kn.grad(lambda x, target: nn.functional.nll_loss(net(x), target))
    program = kn.export(slope, kn.spec(("batch", 1, 14, 14)), kn.spec(("batch",), kn.int64))
    for n in (1, 3):
        _check(program, tmp_path / "slope.onnx", random.normal(size=(n, 1, 14, 14)).astype(np.float32), random.integers(0, 10, n))


def test_a_training_step_is_refused_with_its_line(tmp_path):
    net = Net()
    optimizer = kn.optim.SGD(net.parameters(), lr=0.1)

    def step(x, target):
        optimizer.zero_grad()
        nn.functional.nll_loss(net(x), target).backward()
        optimizer.step()

    program = kn.export(step, kn.spec((2, 1, 14, 14)), kn.spec((2,), kn.int64))
    with pytest.raises(NotImplementedError, match=r"write at test_onnx_export\.py:\d+ changes the state '.*weight'.*Remedy"):
        kiln.onnx.to_onnx(program, tmp_path / "step.onnx")
    assert not list(tmp_path.iterdir())


def test_random_draws_are_refused_with_their_line(tmp_path):
    program = kn.export(lambda x: x + kn.rand((3,)), kn.spec((3,)))
    with pytest.raises(NotImplementedError, match=r"random_uniform at test_onnx_export\.py:\d+ has no equivalent"):
        kiln.onnx.to_onnx(program, tmp_path / "random.onnx")


@pytest.mark.parametrize("dtype", [kn.float16, kn.bfloat16], ids=["float16", "bfloat16"])
def test_halves_are_refused_wherever_they_are(tmp_path, dtype):
    cases = [
        (lambda x: x + 1, kn.spec((3,), dtype), "the input 'x'"),
        (lambda x: x.astype(dtype).astype(kn.float32), kn.spec((3,)), r"the result of astype at test_onnx_export\.py:\d+"),
    ]
    for function, spec, where in cases:
        with pytest.raises(NotImplementedError, match=rf"{where} is {dtype.name}: .*Remedy: export the function in float32"):
            kiln.onnx.to_onnx(kn.export(function, spec), tmp_path / "half.onnx")
    assert not list(tmp_path.iterdir())
