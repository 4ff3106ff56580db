"""benchmarks/run.py works: its figures mean nothing here, but it gives them."""

import json
import subprocess
import sys

from tree import ROOT


def benchmark(*arguments, script="run"):
    return subprocess.run([sys.executable, f"benchmarks/{script}.py", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_a_table_and_json(tmp_path):
    result = benchmark("call3", "lenet", "--rounds", "1", "--budget", "0.05", "--json", str(tmp_path / "figures.json"))
    assert result.returncode == 0, result.stderr
    assert "| 3 operators on 8 elements" in result.stdout
    report = json.loads((tmp_path / "figures.json").read_text())
    for case in ("call3", "lenet_step"):
        for world in ("kiln", "kiln.jit"):
            record = report["cases"][case]["results"][world]
            assert 0 < record["call"]["best"] <= record["call"]["median"] and record["memory"] > 0


def test_a_failing_process_is_reported_and_fails_the_run():
    result = benchmark("add8", "--rounds", "1", "--budget", "0.01", "--threads", "0")
    assert result.returncode == 1 and "add8, kiln:" in result.stderr


def test_unknown_cases_and_peers_are_refused():
    for arguments in (("no_such_case",), ("add8", "--peers", "no_such_peer")):
        result = benchmark(*arguments)
        assert result.returncode == 2 and "no such" in result.stderr


def test_steps_of_the_models_and_their_memory():
    """Each step has a time, and no model's arena is a tenth larger than what is live in it at once."""
    models = ("mnist_cnn_step", "lenet_step")
    result = benchmark(*models, "--budget", "0.05", script="steps")
    assert result.returncode == 0, result.stderr
    assert "library conv2d_weights" in result.stdout and " µs  kernel  " in result.stdout
    table = [line.split("|") for line in result.stdout.splitlines() if line.startswith("| ")]
    assert len(table) == 1 + len(models)
    for row in table[1:]:
        arena, live = (float(cell.split()[0]) for cell in row[-3:-1])
        assert 0 < live <= arena <= 1.1 * live
