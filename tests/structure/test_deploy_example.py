"""examples/deploy/run: a trained network in a new process, in C++ and in ONNX Runtime, beside the module it was exported from."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tree import BUILD, ROOT

EXAMPLE = ROOT / "examples/deploy"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder that the example leaves, and what it printed. The 8x8 digits: MNIST is for people."""
    pytest.importorskip("onnxruntime", reason="onnxruntime not installed")
    folder = tmp_path_factory.mktemp("deploy")
    environment = {name: value for name, value in os.environ.items() if name != "KILN_DATA"}
    environment |= {"KILN_BUILD": str(BUILD), "CXXFLAGS": "-Wall -Wextra -Wpedantic -Werror"}
    command = [EXAMPLE / "run", "--built", "--steps", "5", "--folder", folder]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_all_comparisons_hold(made):
    _, output = made
    assert output.startswith("MNIST is not here") and output.endswith("all 12 comparisons hold\n")
    assert len(re.findall("identical, bit for bit", output)) == 9
    assert len(re.findall(r"max\|a-b\| is \d\.\de[+-]\d\d max\|b\|, within 1e-05", output)) == 3


def flip_a_bit(path):
    """Of the last number."""
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)


def change_a_weight(path):
    arrays = dict(np.load(path))
    arrays["model.0.bias"][-1] = np.nextafter(arrays["model.0.bias"][-1], np.float32(9))
    np.savez(path, **arrays)


CHANGES = {"process.7.f32": flip_a_bit, "cpp.64.f32": flip_a_bit, "cpp.losses.f32": flip_a_bit, "module.npz": change_a_weight}


@pytest.mark.parametrize("name", CHANGES)
def test_the_smallest_difference_is_found(made, name):
    folder, _ = made
    path = folder / name
    content = path.read_bytes()
    CHANGES[name](path)
    try:
        environment = dict(os.environ, PYTHONPATH=str(BUILD / "python"))
        result = subprocess.run([sys.executable, EXAMPLE / "compare.py", folder], env=environment, capture_output=True, text=True)
    finally:
        path.write_bytes(content)
    assert result.returncode == 1, result.stderr
    assert result.stdout.endswith("1 of 12 comparisons failed\n") and result.stdout.count("WRONG  ") == 1
    assert "numbers: 1 differ in their bits" in result.stdout


def test_the_program_says_what_it_misses(made):
    folder, _ = made
    result = subprocess.run([folder / "build/deploy", folder / "nowhere"], capture_output=True, text=True)
    assert result.returncode == 1 and "nowhere/m.kiln" in result.stderr
