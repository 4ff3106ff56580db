"""Finds the build whose package is tested: KILN_BUILD, build/, or an installed kiln. Settings and fixtures that several files share."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]


def _find_package() -> None:
    for build in filter(None, [os.environ.get("KILN_BUILD"), ROOT / "build"]):
        package = Path(build, "python")
        if any(package.glob("kiln/_core*.so")):
            sys.path.insert(0, str(package))
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))  # for child processes
            return
    if importlib.util.find_spec("kiln") is None:
        sys.exit("kiln is neither built (script/test python builds it; KILN_BUILD names another build folder) nor installed")


if importlib.util.find_spec("kiln") is None:
    _find_package()

os.environ.setdefault("KILN_DISK_CACHE_MB", "0")  # what is tested is what compiles; tests of the cache have folders of their own

settings.register_profile("kiln", deadline=None, max_examples=60, derandomize=bool(os.environ.get("CI")))
settings.load_profile("kiln")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_settings():
    """Each test starts from the same seed, dtype, grad mode and thread count, and leaves them so."""
    import kiln as kn

    kn.manual_seed(0)
    threads, dtype = kn.num_threads(), kn.default_dtype()
    yield
    kn.set_num_threads(threads)
    kn.set_default_dtype(dtype)
    assert kn.is_grad_enabled()
