"""SGD against its formula and against PyTorch's."""

import numpy as np
import pytest

import kiln as kn

SETTINGS = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
]


def _reference(p, gradients, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    f, buffer = np.float32, None
    for g in gradients:
        d = g + p * f(weight_decay) if weight_decay else g
        if momentum:
            buffer = d.copy() if buffer is None else buffer * f(momentum) + (d * f(1 - dampening) if dampening else d)
            d = d + buffer * f(momentum) if nesterov else buffer
        p = p - d * f(lr)
    return p


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sgd_is_its_formula_bit_for_bit(settings, random):
    start = random.normal(size=100).astype(np.float32)
    gradients = random.normal(size=(5, 100)).astype(np.float32)
    p = kn.asarray(start, copy=True).requires_grad_()
    optimizer = kn.optim.SGD([p], **settings)
    for g in gradients:
        optimizer.zero_grad()
        (p * kn.asarray(g)).sum().backward()
        optimizer.step()
    kn.testing.assert_same_bits(p, _reference(start, gradients, **settings))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sgd_agrees_with_torch(settings, random):
    torch = pytest.importorskip("torch", reason="torch not installed")
    start = random.normal(size=100).astype(np.float32)
    ours, theirs = kn.asarray(start, copy=True).requires_grad_(), torch.from_numpy(start.copy()).requires_grad_()
    for library, p in ((kn, ours), (torch, theirs)):
        optimizer = library.optim.SGD([p], **settings)
        for _ in range(5):
            optimizer.zero_grad()
            ((p * p - p) * p).sum().backward()
            optimizer.step()
    # The libraries round differently; a parameter on its way through zero keeps the rounding of where it came from.
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=2e-6, atol=1e-7)


def test_groups_state_and_skipped_parameters():
    a, b, c = (kn.ones(2).requires_grad_() for _ in range(3))
    optimizer = kn.optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.5, momentum=0.9)
    optimizer.add_param_group({"params": [c]})
    (a + b).sum().backward()
    optimizer.step()
    assert (a.tolist(), b.tolist(), c.tolist()) == ([0.5, 0.5], [0, 0], [1, 1])
    state = optimizer.state_dict()
    assert state["state"].keys() == {0, 1} and [g["params"] for g in state["param_groups"]] == [[0], [1], [2]]

    twins = [kn.asarray(p, copy=True).detach().requires_grad_() for p in (a, b, c)]
    other = kn.optim.SGD([{"params": [p]} for p in twins], lr=9.0)
    other.load_state_dict(state)
    for parameters, o in (((a, b), optimizer), (twins[:2], other)):
        o.zero_grad(set_to_none=False)
        (parameters[0] * parameters[1]).sum().backward()
        o.step()
    kn.testing.assert_same_bits([a, b], twins[:2])
    assert "lr=1.0" in repr(other) and other.param_groups[1]["momentum"] == 0.9


def test_misuse():
    x = kn.ones(1).requires_grad_()
    for arguments, error, message in [
        (([],), ValueError, "at least one"),
        ((x,), TypeError, r"\[x\]"),
        (([1],), TypeError, "not int"),
        (([x * 2],), ValueError, "leaf"),
        (([x, x],), ValueError, "once"),
        (([{"params": [x], "rate": 1}],), TypeError, "no setting rate"),
        (([x], -1), ValueError, "lr must not be negative"),
        (([x], 1, 0, 0, 0, True), ValueError, "Nesterov"),
    ]:
        with pytest.raises(error, match=message):
            kn.optim.SGD(*arguments)
    with pytest.raises(ValueError, match="groups"):
        kn.optim.SGD([x]).load_state_dict({"state": {}, "param_groups": []})
