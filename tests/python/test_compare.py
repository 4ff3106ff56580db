"""kn.compare: what it measures, that it sees differences, and what it does with functions that change things."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kiln as kn
from kiln.comparing import measure, units
from kiln.comparing.state import differing, largest_difference

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "compare.md"


def quick(f, *args, **options):
    return kn.compare(f, *args, **{"seconds": 0.01, "repeat": 5, **options})


def gelu(x):
    return 0.5 * x * (1 + kn.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def test_tiers_of_a_pointwise_function(random):
    x = random.normal(size=(100, 200)).astype(np.float32)
    result = quick(gelu, kn.asarray(x), interpreter=True)
    assert [row.name for row in result.rows] == ["eager", "interpreter", "tier 1, AsmJit", "tier 2, LLVM"]
    eager, *compiled = result.rows
    assert eager.operators == 9 and eager.kernel_launches == 9 and eager.bits_equal_to_eager is None
    for row in compiled:
        assert row.bits_equal_to_eager is True and row.differing_percent == 0 and row.kernel_launches == 1
        assert row.operators == 9 and row.library_calls == 0
        assert row.peak_tensor_bytes == x.nbytes < eager.peak_tensor_bytes
    for row in result.rows:
        assert 0 < row.quartile1_ms <= row.median_ms <= row.quartile3_ms
        assert row.first_call_ms > 0 and row.samples == 5 and row.peak_resident_bytes >= 0
    assert result.bits_equal and result.repeatable and not result.mutates_inputs
    (program,) = result.programs
    assert (program.operators, program.kernels) == (9, 1) and len(program.reasons) == len(program.steps) == 1


def test_library_calls_are_told_from_kernels():
    result = quick(lambda x: kn.relu(x @ x), kn.ones((32, 32)))
    assert result.rows[1].kernels() == "1 kernel + 1 library" and result.rows[0].kernels() == "2 operators"


def test_a_planted_difference_is_seen():
    result = quick(lambda x: x + 1 if kn.is_tracing() else kn.where(x > 2, x + 1, x + 1 + 1e-6), kn.asarray([1.0, 2.0, 3.0, 4.0]))
    compiled = result.rows[1]
    assert compiled.bits_equal_to_eager is False and not result.bits_equal
    assert compiled.differing_percent == 50 and 0 < compiled.max_abs_difference_from_eager < 1e-5
    assert str(result).count("DIFFER in 50 %") == 2


def test_a_difference_in_dtype_or_in_a_number_is_seen():
    assert not quick(lambda x: x if kn.is_tracing() else x.astype(kn.float64), kn.ones((3,))).bits_equal
    assert not quick(lambda x: (x + 1, kn.is_tracing()), kn.ones((3,))).bits_equal
    assert quick(lambda x: (x + 1, {"a": [1, "b", None]}), kn.ones((3,))).bits_equal


def test_an_exception_that_eager_mode_does_not_raise_is_a_difference():
    result = quick(lambda x: x + (1 // 0 if kn.is_tracing() else 1), kn.ones((3,)))
    assert not result.bits_equal and len(result.rows) == 3
    assert result.rows[1].error.startswith("raised ZeroDivisionError, where eager mode did not: ")


def test_inputs_that_are_changed_are_restored_and_compared(random):
    before = random.normal(size=50).astype(np.float32)

    def step(x, scale):
        x *= scale
        return kn.sum(x)

    x, array = kn.asarray(before, copy=True), before.copy()
    for argument in (x, array):
        result = quick(step, argument, 1.5)
        assert result.mutates_inputs and result.repeatable and result.bits_equal
    assert x.numpy().tobytes() == array.tobytes() == before.tobytes(), "the caller's arguments stay"
    assert "restored before each call" in str(result)

    def wrong(x):
        x += 2 if kn.is_tracing() else 1
        return kn.zeros((2,))

    assert not quick(wrong, x).bits_equal


def test_a_training_step_starts_from_the_same_weights_every_time():
    network = kn.nn.Linear(4, 3)
    optimizer = kn.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    before = network.weight.detach().numpy().copy()
    kn.sum(network(kn.ones((1, 4)))).backward()
    gradient = network.weight.grad.numpy().copy()

    def step(x):
        optimizer.zero_grad()
        loss = kn.sum(network(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    result = quick(step, kn.ones((2, 4)))
    assert result.repeatable and result.bits_equal and result.mutates_inputs
    assert network.weight.detach().numpy().tobytes() == before.tobytes()
    assert network.weight.grad.numpy().tobytes() == gradient.tobytes()


def test_gradients_do_not_add_up_from_call_to_call():
    def backward(x):
        kn.sum(x * x).backward()
        return x.grad

    x = kn.ones((3,)).requires_grad_()
    result = quick(backward, x)
    assert result.repeatable and result.bits_equal and result.mutates_inputs and x.grad is None


def test_hidden_state_makes_bits_unknown():
    calls = []

    def unsteady(x):
        calls.append(None)
        return x + len(calls)

    result = quick(unsteady, kn.ones((3,)))
    assert not result.repeatable and not result.bits_equal
    assert all(row.bits_equal_to_eager is None for row in result.rows)
    assert "not comparable" in str(result) and "state that is not among the inputs" in str(result)


def test_random_draws_are_the_same_in_each_call():
    result = quick(lambda: kn.random.normal((10,)))
    assert result.repeatable and result.bits_equal and result.inputs == []


def test_early_ends_and_empty_tensors():
    result = quick(lambda x: x + kn.sum(x).item(), kn.ones((3, 4)))
    assert len(result.programs) == 2 and "item() needs a value" in result.programs[0].early_ends[0]
    assert quick(lambda x: x * 2, kn.ones((0, 3))).bits_equal


def test_what_cannot_be_compared_is_an_error():
    with pytest.raises(TypeError, match="a function or another callable, not int"):
        kn.compare(3)
    with pytest.raises(TypeError, match="is a generator or a coroutine"):
        kn.compare(lambda x: (yield x), kn.ones((3,)))
    with pytest.raises(ValueError, match="no such peer: cupy; there is torch, jax, tensorflow"):
        kn.compare(gelu, kn.ones((3,)), peers=["cupy"])
    with pytest.raises(ZeroDivisionError):
        quick(lambda x: 1 // 0, kn.ones((3,)))


def test_jitted_functions_are_unwrapped():
    assert quick(kn.jit(gelu), kn.ones((10,))).rows[0].kernel_launches == 9


def test_differences_of_arrays():
    a, nan = np.array([0.0, 1.0], np.float32), np.array([np.nan, 1.0], np.float32)
    assert differing([a], [a]) == (True, 0, 0)
    assert differing([a], [-a])[0] is False and differing([a], [np.array([-0.0, 1.0], np.float32)]) == (False, 50, 0)
    assert differing([a], [a.astype(np.float64)]) == (False, None, None)
    assert largest_difference([nan], [nan]) == 0 and np.isnan(largest_difference([nan], [a]))
    assert largest_difference([a], [a.astype(np.float64) + 1]) == 1 and largest_difference([a], [a[:1]]) is None


def test_medians_and_quartiles():
    calls = []
    samples = measure.sample(lambda: calls.append(None), 0.01, 7, before=lambda: calls.append("before"))
    assert len(samples) == 7 and calls == ["before", None] * (7 + measure.WARM_UP)
    assert measure.summary([1.0, 2.0, 3.0, 4.0, 5.0]) == {"median_ms": 3, "quartile1_ms": 2, "quartile3_ms": 4, "samples": 5}


def test_resident_peak_sees_what_was_freed_again():
    peak = measure.ResidentPeak()
    if peak.bytes() is None:
        pytest.skip("/proc/self/clear_refs cannot be written here")
    np.ones(4_000_000)
    assert 30e6 < peak.bytes() < 40e6


@pytest.mark.parametrize(
    ("ms", "text"), [(None, ""), (1234.5, "1.23 s"), (999.96, "1.00 s"), (12.34, "12.3 ms"), (0.0456, "45.6 µs"), (1e-6, "1.00 ns")]
)
def test_times_have_three_digits_and_a_unit(ms, text):
    assert units.time(ms) == text


def test_other_units():
    assert (units.size(0), units.size(1500), units.size(16_777_216), units.size(None)) == ("0 B", "1.50 kB", "16.8 MB", "")
    assert (units.factor(3.14159), units.factor(0.00456), units.percent(0.004)) == ("3.14×", "0.0046×", "under 0.01 %")
    assert units.time_range(0.9, 1.25) == "0.90–1.25 ms"


def test_the_json_has_the_documented_keys():
    data = json.loads(quick(gelu, kn.ones((10,))).to_json())
    documented = set(re.findall(r"`([a-z_\[\].0-9]+)`", DOCUMENT.read_text().partition("## JSON")[2].partition("| key")[2]))
    produced = set(data) | {f"rows[].{key}" for key in data["rows"][0]} | {f"programs[].{key}" for key in data["programs"][0]}
    assert produced == documented - {"kiln", "eager", "torch.compile", "null"}
    assert data["format"] == 1 and data["rows"][1]["speed_up_over_kiln_eager"] > 0


def test_the_documents_examples_run(tmp_path):
    (example,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "softmax.html").exists()
