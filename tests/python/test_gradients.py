"""Every differentiable operator's gradient against central differences in float64, on the samples of its definition."""

import numpy as np
import pytest

import kiln as kn
from calls import Call, calls

STEP = 1e-6


def _differentiable(call: Call) -> bool:
    op = call.op
    if op.is_random or not (op.has_gradient or op.family == "composition") or op.__name__ in ("dropout", "empty"):
        return False
    arrays = _inputs(call)
    return bool(arrays) and all(np.isfinite(a).all() and np.abs(a).max(initial=0) < 50 and a.size <= 200 for a in arrays.values())


def _inputs(call: Call) -> dict[str, np.ndarray]:
    """Floating arguments; a list of arrays counts element by element, as name:index."""
    found = {}
    for name, value in call.arguments.items():
        for i, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, np.ndarray) and item.dtype == np.float64:
                found[f"{name}:{i}"] = item
    return found


def _run(call: Call, replaced: dict[str, object]):
    arguments = {}
    for name, value in call.arguments.items():
        if isinstance(value, list):
            arguments[name] = [replaced.get(f"{name}:{i}", item) for i, item in enumerate(value)]
        else:
            arguments[name] = replaced.get(f"{name}:0", value)
    result = call.op(**arguments)
    return result if isinstance(result, kn.Tensor) else result[0]


CALLS = [call for call in calls(("float64",)) if _differentiable(call)]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_gradient_is_the_limit_of_differences(call: Call):
    inputs = _inputs(call)
    tensors = {name: kn.asarray(a, copy=True).requires_grad_() for name, a in inputs.items()}
    result = _run(call, tensors)
    if result.dtype is not kn.float64 or not result.requires_grad:
        pytest.skip("the result is not differentiable, or too coarse for differences")
    weights = np.random.default_rng(1).uniform(0.5, 1.5, result.shape)
    kn.sum(result * kn.asarray(weights)).backward()

    def objective() -> float:
        return float((_run(call, {n: kn.asarray(a) for n, a in inputs.items()}).numpy() * weights).sum())

    for name, array in inputs.items():
        gradient = tensors[name].grad
        got = np.zeros(array.shape) if gradient is None else gradient.numpy()
        expected = np.zeros(array.shape)
        here, smooth = objective(), np.ones(array.shape, bool)
        for at in np.ndindex(array.shape):
            kept = array[at]
            array[at] = kept + STEP
            above = objective()
            array[at] = kept - STEP
            below = objective()
            array[at] = kept
            expected[at] = (above - below) / (2 * STEP)
            smooth[at] = abs(above - 2 * here + below) / STEP <= 1e-2 * max(1, abs(expected[at]))  # no jump or kink between
        assert smooth.sum() >= 0.7 * smooth.size
        np.testing.assert_allclose(got[smooth], expected[smooth], rtol=1e-4, atol=1e-5, err_msg=name)


def test_there_are_gradients_to_test():
    assert len({call.op.__name__ for call in CALLS}) > 20
