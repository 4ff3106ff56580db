"""The demo, on few steps: what it prints, writes and returns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kiln.demo.report import Run, compare_weights, table
from test_data import write_mnist

pytest.importorskip("tqdm", reason="tqdm not installed")
pytest.importorskip("matplotlib", reason="matplotlib not installed")


def demo(folder: Path, *arguments: str, data: str = "") -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "KILN_DATA"} | ({"KILN_DATA": data} if data else {})
    return subprocess.run(
        [sys.executable, "-m", "kiln.demo", "--quiet", "--plot", str(folder / "loss.png"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def test_digits_eagerly_and_compiled(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn not installed")
    result = demo(tmp_path, "--steps", "6", "--only", "eager", "compiled", "--json", str(tmp_path / "figures.json"))
    assert result.returncode == 0, result.stderr
    assert "MNIST is not here" in result.stdout and "scikit-learn's 8x8 digits" in result.stdout
    assert "weights after 6 steps: identical, bit for bit" in result.stdout
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["identical"] and figures["runs"].keys() == {"eager", "compiled"} and figures["runs"]["eager"]["step_ms"] > 0


@pytest.mark.parametrize("backend", ["interpreter", "asmjit"])
def test_mnist_with_a_forced_back_end_and_one_thread(tmp_path, backend):
    write_mnist(tmp_path, train=40)
    arguments = ["--model", "lenet", "--batch", "8", "--epochs", "1", "--threads", "1", "--backend", backend, "--only", "eager", "compiled"]
    result = demo(tmp_path, *arguments, data=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "MNIST: 40 images to train, 10 to test; model lenet" in result.stdout
    assert "weights after 5 steps: identical, bit for bit" in result.stdout


def test_misuse_is_answered(tmp_path):
    write_mnist(tmp_path, train=40)
    for arguments, message in [
        (["--model", "small"], "--model small is for 8x8 images, MNIST has 28x28"),
        (["--batch", "41"], "--batch 41 is more than the 40 training images"),
        (["--epochs", "0"], "--epochs must be at least 1"),
    ]:
        result = demo(tmp_path, *arguments, data=str(tmp_path))
        assert result.returncode == 2 and message in result.stderr


def _run(folder: Path, mode: str, weights: np.ndarray) -> Run:
    report = {"version": "0", "step_ms": 1.0, "first_ms": 2.0, "peak_bytes": 3_000_000, "accuracy": 0.5}
    path = folder / f"{mode}.npz"
    np.savez(path, report=json.dumps(report), losses=[1.0, 0.5], seconds=[1.0, 2.0], **{"weights/0.weight": weights})
    return Run(mode, mode, path)


def test_weights_that_differ_are_counted(tmp_path):
    a = np.array([1.0, 0.0, 3.0], np.float32)
    eager, compiled = _run(tmp_path, "eager", a), _run(tmp_path, "compiled", np.array([1.0, -0.0, 3.0], np.float32))
    assert compare_weights(eager, eager) == (True, "weights after 2 steps: identical, bit for bit")
    assert compare_weights(eager, compiled) == (False, "weights after 2 steps: DIFFERENT: 1 of 3 elements differ (0.weight 1)")
    assert table([eager]).splitlines()[2].split() == ["eager", "1.00", "2.0", "3", "50.00", "%"]
