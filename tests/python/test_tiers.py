"""The two tiers as a user sees them: code from the disk at the first call of the next process; whose code runs, and why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# What every process below runs: a function, and what its first call did.
PROGRAM = """
import json, os, sys
import numpy as np
import kiln as kn

@kn.jit
def f(x):
    return kn.tanh(x * 2.0 + 1.0) - kn.sqrt(x * x + 3.0)

x = kn.asarray(np.linspace(-3, 3, 20_000, dtype=np.float32))
eager = (kn.tanh(x * 2.0 + 1.0) - kn.sqrt(x * x + 3.0)).numpy().tobytes()

def counters():
    c = kn.kernel_counters()
    return {"llvm": c["launches"]["llvm"], "compiled": c["compiles"]["llvm"], **c["disk_cache"]}

before = counters()
same = f(x).numpy().tobytes() == eager
first = {k: v - before[k] for k, v in counters().items()}
opened = "libkiln_llvm" in open("/proc/self/maps").read()
for _ in range(int(sys.argv[1])):
    same = same and f(x).numpy().tobytes() == eager
kn.wait_for_compiles()
for _ in range(int(sys.argv[1])):
    same = same and f(x).numpy().tobytes() == eager
kn.wait_for_compiles()
code = [line for trace in kn._core.captured_records(f)["traces"] for line in trace["code"] if line]
print(json.dumps({"same": same, "first": first, "opened": opened, "code": code, **counters()}))
"""


def run(folder, launches=40, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in ("KILN_BACKEND", "KILN_DISK_CACHE_MB")}
    environment |= {"KILN_CACHE_DIR": str(folder), "KILN_TIER_UP_LAUNCHES": "20", "KILN_TIER_UP_WORK": str(1 << 40)}
    environment |= {"KILN_MEASURE_WAYS": "0"} | variables  # every call is a launch of the captured kernel
    environment = {k: v for k, v in environment.items() if v is not None}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(launches)], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["same"]
    return found


def settled(folder):
    """Runs until the disk knows which tier's code is the faster one."""
    first = run(folder)
    assert first["first"]["llvm"] == 0
    assert first["first"]["hits"] == 0
    assert first["stores"] >= 2, "LLVM's code, then the verdict"
    return first


def test_llvms_code_is_there_at_the_first_call(tmp_path):
    run(tmp_path, launches=0, KILN_TIER_UP_LAUNCHES="0")  # compiled at once, tried by nobody
    second = run(tmp_path)
    assert second["first"]["hits"] >= 1
    assert second["llvm"] > 0, "its trial begins with the first call"
    assert second["compiled"] == 0
    assert not second["opened"], "code from the disk needs no LLVM"


def test_the_verdict_of_a_trial_is_kept(tmp_path):
    first = settled(tmp_path)
    (line,) = set(first["code"])
    assert "times as" in line
    second = run(tmp_path)
    assert second["compiled"] == 0
    assert second["first"]["hits"] >= 1
    assert second["stores"] == 0
    assert all("known from the disk cache" in line for line in second["code"]), second["code"]
    by_llvm = line.startswith("LLVM's")
    assert all(line.startswith("LLVM's") == by_llvm for line in second["code"])
    assert (second["first"]["llvm"] > 0) == by_llvm, "the faster code runs from the first call on"
    assert not second["opened"]


def test_damage_costs_a_compilation_and_nothing_else(tmp_path):
    settled(tmp_path)
    files = list(Path(tmp_path, "code").iterdir())
    for file in files:
        contents = bytearray(file.read_bytes())
        contents[len(contents) // 2] ^= 1
        file.write_bytes(contents)
    again = run(tmp_path)
    assert again["rejected"] >= 1
    assert again["first"]["llvm"] == 0
    assert again["compiled"] >= 1
    assert run(tmp_path)["compiled"] == 0


def test_it_can_be_switched_off(tmp_path):
    off = run(tmp_path, KILN_DISK_CACHE_MB="0")
    assert off["compiled"] >= 1
    assert off["stores"] == off["misses"] == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "variables",
    [
        {"KILN_CACHE_DIR": "/proc/kiln"},  # cannot be written
        {"KILN_CACHE_DIR": None, "XDG_CACHE_HOME": None, "HOME": None},
        {"KILN_CACHE_DIR": None, "XDG_CACHE_HOME": "relative", "HOME": "/dev/null/home"},
        {"KILN_LLVM": "off"},
    ],
    ids=["read-only", "no HOME", "no such HOME", "no LLVM"],
)
def test_where_there_can_be_no_cache_nothing_fails(tmp_path, variables):
    found = run(tmp_path, **variables)
    assert found["stores"] == 0


def test_xdg_cache_home_and_home_are_where_it_is_by_default(tmp_path):
    run(tmp_path, KILN_CACHE_DIR=None, XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert list((tmp_path / "xdg/kiln/code").iterdir())
    run(tmp_path, KILN_CACHE_DIR=None, XDG_CACHE_HOME=None, HOME=str(tmp_path / "home"))
    assert list((tmp_path / "home/.cache/kiln/code").iterdir())


def test_another_instruction_set_has_code_of_its_own(tmp_path):
    settled(tmp_path)
    assert run(tmp_path, KILN_ISA="avx2")["first"]["hits"] == 0
