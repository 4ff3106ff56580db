"""Threads, fork, pickling across processes, other libraries in the process, and Ctrl-C."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import kiln as kn
from interrupts import deliver_interrupts


def test_threads_compute_what_one_does(random):
    a = random.normal(size=(200, 200)).astype(np.float32)

    def work():
        x = kn.asarray(a)
        for _ in range(5):
            x = (x @ kn.asarray(a)).tanh() * 0.5 + x.sum(axis=0)
        return x.numpy().tobytes()

    expected, results = work(), []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def _sum_of_squares(x):
    return (x * x).sum().item()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method):
    x = kn.asarray(np.arange(100_000.0))
    expected = _sum_of_squares(x)  # the pool has run before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_sum_of_squares, [x, x]) == [expected] * 2
    assert _sum_of_squares(x) == expected


def test_interrupt_ends_a_long_loop():
    code = "import kiln as kn\nx = kn.ones((300, 300))\nprint('started', flush=True)\nwhile True:\n    x = x * 1.0"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes, preexec_fn=deliver_interrupts) as process:
        try:
            process.stdout.readline()
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert "KeyboardInterrupt" in errors


@pytest.mark.parametrize("order", ["torch, kiln", "kiln, torch"])
def test_torch_in_the_same_process(order):
    pytest.importorskip("torch", reason="torch not installed")
    code = f"""import {order}
import numpy as np
a = np.ones((64, 64), np.float32)
x, y = kiln.asarray(a), torch.from_numpy(a)
assert (x @ x).tolist() == (y @ y).tolist() == [[64.0] * 64] * 64
assert kiln.from_dlpack(y).tolist() == torch.from_dlpack(x).tolist()
print("ok")"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert result.stdout == "ok\n", result.stderr


def test_import_is_light():
    code = "import sys, kiln; print(sorted({'matplotlib', 'tqdm', 'sklearn', 'torch', 'multiprocessing'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_interpreter_ends_cleanly_with_tensors_alive():
    code = "import kiln as kn, numpy as np\na = np.zeros(4)\nx = kn.asarray(a)\nb = (x + 1).numpy()\nm = memoryview(x)\nc = x.__dlpack__()"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ, PYTHONFAULTHANDLER="1")
    )
    assert (result.returncode, result.stderr) == (0, "")
