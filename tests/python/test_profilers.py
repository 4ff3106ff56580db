"""Kernels by name in gdb and perf, of both tiers."""

import os
import re
import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
import kiln as kn

x = kn.asarray(np.linspace(-3, 3, 400_000, dtype=np.float32))

def f(x):
    return kn.exp(kn.tanh(x) * 2.0 + 1.0) - kn.sqrt(x * x + 3.0)

compiled = kn.jit(f, backend={backend!r})
for _ in range({runs}):
    compiled(x)
"""
# Operators, as the function names them; then the kernel's hash.
NAME = r"kiln_tanh_multiply_add_exp_\w+_[0-9a-f]{16}"


def needs(tool):
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def write_program(tmp_path, backend, runs):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(backend=backend, runs=runs))
    return str(program)


@needs("gdb")
@pytest.mark.parametrize("backend", ["asmjit", "llvm"])
def test_gdb_knows_kernels(tmp_path, backend):
    script = tmp_path / "script.gdb"
    # Stops where a kernel is announced, finds its name, stops in the kernel, and asks who called it.
    script.write_text(
        "set pagination off\nset debuginfod enabled off\nset confirm off\nset breakpoint pending on\n"
        "handle all nostop noprint pass\n"
        "python\n"
        "import gdb, re\n"
        "class Announced(gdb.Breakpoint):\n"
        "    def stop(self):\n"
        "        names = re.findall(r'kiln_\\w+', gdb.execute('info functions -n ^kiln_tanh', to_string=True))\n"
        "        return bool(names)\n"
        "Announced('kiln::codegen::launch')\n"
        "gdb.execute('run')\n"
        "name = re.findall(r'kiln_tanh\\w+', gdb.execute('info functions ^kiln_tanh', to_string=True))[0]\n"
        "gdb.breakpoints()[0].enabled = False\n"
        "gdb.execute('hbreak *' + name)\n"  # code is mapped for execution only: gdb cannot write an instruction into it
        "gdb.execute('continue')\n"
        "print(gdb.execute('info symbol $pc', to_string=True))\n"
        "print(gdb.execute('backtrace 3', to_string=True))\n"
        "end\nkill\nquit\n"
    )
    ran = subprocess.run(
        ["gdb", "-nx", "-batch", "-x", str(script), "--args", sys.executable, write_program(tmp_path, backend, 3)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = ran.stdout + ran.stderr
    if "Could not trace the inferior process" in output or "ptrace: Operation not permitted" in output:
        pytest.skip("this system does not let gdb trace a process")
    assert re.search(rf"^{NAME} in section \.text", output, re.MULTILINE), output
    assert re.search(rf"#0 .*{NAME}", output), output
    assert re.search(r"#1 .*kiln::codegen", output), output


def record(tmp_path, backend, form):
    program = write_program(tmp_path, backend, 400)
    data = tmp_path / "perf.data"
    recorded = subprocess.run(
        ["perf", "record", "-q", "-k", "1", "-e", "cpu-clock", "-F", "2000", "-o", str(data), sys.executable, program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=dict(os.environ, KILN_PERF=form, KILN_NUM_THREADS="1"),
    )
    if not data.exists() or "Permission" in recorded.stderr or "not supported" in recorded.stderr:
        pytest.skip(f"perf cannot record here: {recorded.stderr.strip().splitlines()[:1]}")
    assert recorded.returncode == 0, recorded.stderr
    return data


def report(data):
    ran = subprocess.run(
        ["perf", "report", "-i", str(data), "--stdio", "--sort", "symbol"], capture_output=True, text=True, timeout=120, check=False
    )
    return ran.stdout + ran.stderr


@needs("perf")
@pytest.mark.parametrize("backend", ["asmjit", "llvm"])
def test_perf_knows_kernels_by_the_map(tmp_path, backend):
    text = report(record(tmp_path, backend, "map"))
    assert re.search(NAME, text), text


@needs("perf")
@pytest.mark.parametrize("backend", ["asmjit", "llvm"])
def test_perf_knows_kernels_by_the_jitdump(tmp_path, backend):
    data = record(tmp_path, backend, "jitdump")
    injected = tmp_path / "injected.data"
    inject = subprocess.run(
        ["perf", "inject", "--jit", "-i", str(data), "-o", str(injected)], capture_output=True, text=True, timeout=120, check=False
    )
    assert inject.returncode == 0, inject.stderr
    text = report(injected)
    assert re.search(NAME, text), text


def test_an_unknown_form_is_refused():
    ran = subprocess.run(
        [sys.executable, "-c", "import kiln as kn; kn.ones(3) + 1"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, KILN_PERF="flames"),
    )
    assert "KILN_PERF is 'flames', which is not map or jitdump" in ran.stderr
