"""Modules, and layers against PyTorch's where it is installed."""

import copy
import pickle

import numpy as np
import pytest

import kiln as kn
from kiln import nn
from kiln.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(3, 2, bias=False))
        self.scale = nn.Parameter(kn.ones(1))
        self.register_buffer("count", kn.zeros(()))

    def forward(self, x):
        return self.rest(self.first(x)) * self.scale


def test_parameters_buffers_and_modules():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["scale", "first.weight", "first.bias", "rest.1.weight"]
    assert [name for name, _ in net.named_buffers()] == ["count"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in net.parameters())
    assert len(net.rest) == 2 and net.rest[1] is list(net.rest)[1] and len(net.rest[:1]) == 1
    net.count = kn.ones(())
    assert dict(net.named_buffers())["count"].item() == 1
    del net.scale
    assert not hasattr(net, "scale")


def test_shared_parameters_count_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3


def test_state_dict_round_trip(tmp_path):
    a, b = Net(), Net()
    kn.save(a.state_dict(), tmp_path / "net.npz")
    b.load_state_dict(kn.load(tmp_path / "net.npz"))
    kn.testing.assert_same_bits(a.state_dict(), b.state_dict())
    assert list(tmp_path.iterdir()) == [tmp_path / "net.npz"]
    state = a.state_dict()
    state["first.bias"] = kn.zeros(7)
    before = copy.deepcopy(b.state_dict())
    with pytest.raises(ValueError, match=r"first\.bias: \(3,\) here, \(7,\) given"):
        b.load_state_dict(state)
    with pytest.raises(KeyError, match="missing"):
        b.load_state_dict({})
    kn.testing.assert_same_bits(before, b.state_dict())
    b.load_state_dict({"scale": kn.asarray([5.0])}, strict=False)
    assert b.scale.tolist() == [5]


def test_load_refuses_other_files(tmp_path):
    (tmp_path / "a").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"is not a file of kiln\.save"):
        kn.load(tmp_path / "a")
    with pytest.raises(OSError, match="missing"):
        kn.load(tmp_path / "missing")
    with pytest.raises(TypeError, match="'x' must be a tensor, not int"):
        kn.save({"x": 1}, tmp_path / "b")


def test_modes_and_gradients():
    net = Net()
    assert net.training and not net.eval().training and not net.rest[1].training and net.train().rest.training
    net(kn.ones((1, 4))).sum().backward()
    assert net.first.weight.grad is not None
    net.zero_grad()
    assert net.first.weight.grad is None
    net(kn.ones((1, 4))).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.first.bias.grad.tolist() == [0, 0, 0]
    assert all(p.dtype is kn.float64 and p.requires_grad for p in net.to(kn.float64).parameters())
    seen = []
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_modules_are_copied_and_pickled():
    net = Net()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        kn.testing.assert_same_bits(net.state_dict(), twin.state_dict())
        assert isinstance(twin.scale, nn.Parameter)
        with kn.no_grad():
            twin.scale += 1
        assert net.scale.tolist() == [1]


def test_repr():
    assert repr(Net()) == (
        "Net(\n  (first): Linear(in_features=4, out_features=3, bias=True)\n  (rest): Sequential(\n    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=2, bias=False)\n  )\n)"
    )
    assert repr(nn.Parameter(kn.ones(1))).startswith("Parameter containing:\ntensor([1.], dtype=float32, requires_grad=True)")


def test_misuse():
    class Forgot(nn.Module):
        def __init__(self):
            self.layer = nn.ReLU()

    with pytest.raises(AttributeError, match=r"super\(\)\.__init__"):
        Forgot()
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        nn.Module()(1)
    with pytest.raises(AttributeError, match="'Net' has no attribute 'nothing'"):
        Net().nothing  # noqa: B018
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(2)
    with pytest.raises(TypeError, match="must be a Module"):
        nn.Sequential(1)


def test_initial_values_have_torchs_distribution():
    layer = nn.Linear(400, 300)
    for p in (layer.weight, layer.bias):
        values = p.detach().numpy()
        assert np.abs(values).max() <= 0.05 and values.std() == pytest.approx(0.05 / 3**0.5, rel=0.1)
    kn.manual_seed(3)
    a = nn.Conv2d(3, 8, 5)
    kn.manual_seed(3)
    kn.testing.assert_same_bits(a.state_dict(), nn.Conv2d(3, 8, 5).state_dict())


def test_dropout():
    x = kn.ones(10_000)
    y = nn.Dropout(0.25)(x).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)} and (y == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert nn.Dropout(0.25).eval()(x).tolist() == x.tolist()


def test_losses_without_torch():
    logits = kn.asarray([[2.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
    target = kn.asarray([0, 2])
    log_p = np.log(np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True))
    expected = -(log_p[0, 0] + log_p[1, 2]) / 2
    assert F.cross_entropy(logits, target).item() == pytest.approx(expected, rel=1e-5)
    assert nn.CrossEntropyLoss()(logits, target).item() == nn.NLLLoss()(F.log_softmax(logits, 1), target).item()
    assert F.mse_loss(kn.ones(2), kn.zeros(2)).item() == 1
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        F.mse_loss(kn.ones(2), kn.ones(3))


LAYERS = {
    "linear": (lambda nn: nn.Linear(5, 3), (4, 5)),
    "convolution": (lambda nn: nn.Conv2d(3, 4, 3), (2, 3, 8, 7)),
    "padded, strided convolution": (lambda nn: nn.Conv2d(2, 5, (3, 2), stride=(2, 1), padding=(1, 0)), (3, 2, 9, 8)),
    "dilated convolution": (lambda nn: nn.Conv2d(2, 3, 3, dilation=2, bias=False), (1, 2, 9, 9)),
    "pooling": (lambda nn: nn.MaxPool2d(2), (2, 3, 6, 7)),
    "overlapping pooling": (lambda nn: nn.MaxPool2d(3, stride=2, padding=1), (2, 3, 7, 7)),
    "small network": (
        lambda nn: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10), nn.Tanh()),
        (3, 1, 8, 8),
    ),
    "sigmoid": (lambda nn: nn.Sequential(nn.Sigmoid(), nn.LogSoftmax(dim=1)), (3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_with_torch(name, random):
    torch = pytest.importorskip("torch", reason="torch not installed")
    make, shape = LAYERS[name]
    ours, theirs = make(nn), make(torch.nn)
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()})
    x = random.normal(size=shape).astype(np.float32)
    a, b = kn.asarray(x).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
    y, z = ours(a), theirs(b)
    weights = random.normal(size=tuple(z.shape)).astype(np.float32)
    (y * kn.asarray(weights)).sum().backward()
    (z * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-5)
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=key)


def test_layer_errors_name_shapes():
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        nn.Linear(4, 3)(kn.ones((2, 5)))
    with pytest.raises(ValueError, match=r"\(1, 2, 8, 8\)|channels"):
        nn.Conv2d(3, 4, 3)(kn.ones((1, 2, 8, 8)))
    with pytest.raises(ValueError):
        nn.MaxPool2d(9)(kn.ones((1, 1, 4, 4)))
