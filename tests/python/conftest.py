"""Settings and fixtures that several files share."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.package import find_package

find_package()

settings.register_profile("kiln", deadline=None, max_examples=60, derandomize=bool(os.environ.get("CI")))
settings.load_profile("kiln")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def interruptible():
    """SIGINT is a KeyboardInterrupt, as in a terminal: what a shell runs in the background ignores it, and endless loops would not end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def same_settings(monkeypatch):
    """Each test starts from the same seed, dtype, grad mode and thread count, and leaves them so.

    What captured functions do hangs on no measured times, but where a test asks for it.
    """
    import kiln as kn
    from kiln import capture
    from kiln.capture import patience

    kn.manual_seed(0)
    kn.config.measure_ways = 0
    monkeypatch.setattr(capture, "strict", True)
    monkeypatch.setattr(patience, "FIRST", float("inf"))  # a recording during which garbage is collected is not given up
    threads, dtype = kn.num_threads(), kn.default_dtype()
    yield
    kn.set_num_threads(threads)
    kn.set_default_dtype(dtype)
    assert kn.is_grad_enabled()
