"""kn.compare beside other libraries: a stand-in called jax, made of NumPy, takes every step of the way without one installed."""

import importlib
import stat
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import kiln as kn
from kiln.comparing.compare import FORMS
from test_compare import quick

STAND_IN = {
    "jax/__init__.py": """
        import numpy as _np
        from . import numpy, nn
        __version__ = "stand-in"
        Array = _np.ndarray
        class config:
            update = staticmethod(lambda name, value: None)
        def jit(f):
            def compiled(*args):
                return _np.nextafter(f(*args), _np.float32(9))  # off by one bit, as compilers are
            return compiled
        def block_until_ready(tree):
            return tree
    """,
    "jax/numpy.py": "from numpy import *\nfrom numpy import max, sum\n",
    "jax/nn.py": "",
}

FUNCTIONS = """
    import os
    import kiln as kn

    def twice(x, parts, scale=2):
        return kn.exp(x) * scale + parts["a"][0]

    @kn.jit
    def by_namespace(x):
        xp = x.__array_namespace__()
        return xp.exp(x)

    def changes(x):
        x += 1
        return x * 2

    def raises(x):
        if not hasattr(kn, "is_tracing"):
            raise ValueError("not in a peer\\nsecond line")
        return x

    def needs_more(x):
        return kn.nn.functional.relu(x)

    def dies(x):
        if not hasattr(kn, "kernel_counters"):
            os.abort()
        return x
"""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """An interpreter that has the stand-in."""
    folder = tmp_path_factory.mktemp("peer")
    for name, text in STAND_IN.items():
        path = folder / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}/packages" exec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return str(python)


@pytest.fixture
def functions(tmp_path, monkeypatch):
    (tmp_path / "for_peers.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(tmp_path)
    import for_peers

    yield for_peers
    del sys.modules["for_peers"]


def test_a_peer_runs_the_same_function(functions, stand_in, random):
    x = random.normal(size=(20, 30)).astype(np.float32)
    result = quick(functions.twice, kn.asarray(x), {"a": [kn.ones((30,))]}, 3, peers="jax", peer_python={"jax": stand_in})
    eager, compiled = result.rows[-2:]
    assert (eager.library, eager.name, eager.version, eager.error) == ("jax", "jax", "stand-in", None)
    assert eager.median_ms > 0 and eager.max_abs_difference_from_kiln < 1e-5 and eager.bits_equal_to_eager is None
    assert compiled.name == "jax.jit" and compiled.bits_equal_to_eager is False and compiled.differing_percent == 100
    assert result.bits_equal, "a peer's differences are no fault of Kiln's"
    assert "differ in 100 %" in str(result)


def test_a_peer_runs_a_function_that_asks_its_argument(functions, stand_in):
    result = quick(functions.by_namespace, kn.ones((5,)), peers=["jax"], peer_python=stand_in)
    assert result.rows[-2].error is None and result.rows[-2].max_abs_difference_from_kiln < 1e-6


def test_a_peer_imports_from_a_package(stand_in, tmp_path, monkeypatch):
    folder = tmp_path / "outer_for_peers" / "inner"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("SCALE = 3\n")
    (folder / "__init__.py").write_text("from .. import SCALE\n\n\ndef scaled(x):\n    return x * SCALE\n")
    monkeypatch.syspath_prepend(tmp_path)
    scaled = importlib.import_module("outer_for_peers.inner").scaled
    result = quick(scaled, kn.ones((5,)), peers=["jax"], peer_python=stand_in)
    assert result.rows[-2].error is None and result.rows[-2].max_abs_difference_from_kiln == 0


def test_a_script_must_not_compare_while_it_is_imported(stand_in, tmp_path):
    script = """
        import sys
        import kiln as kn
        def f(x):
            return x * 2
        print(kn.compare(f, kn.ones((3,)), seconds=0.01, repeat=5, peers=["jax"], peer_python=sys.argv[1]))
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run([sys.executable, tmp_path / "script.py", stand_in], capture_output=True, text=True, timeout=60, check=True)
    assert "put that call under `if __name__ == '__main__':`" in done.stdout


def test_a_peer_restores_what_is_changed(functions, stand_in):
    result = quick(functions.changes, kn.ones((5,)), peers=["jax"], peer_python=stand_in)
    assert result.rows[-2].max_abs_difference_from_kiln == 0 and "jax's results equal Kiln's." in str(result)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "ValueError: not in a peer"),
        ("needs_more", "AttributeError: jax has no nn of the array API; peers run functions that use its names only"),
        ("dies", "the process was killed by SIGABRT"),
    ],
)
def test_a_function_that_fails_in_a_peer_is_a_row(functions, stand_in, name, reason):
    result = quick(getattr(functions, name), kn.ones((5,)), peers=["jax"], peer_python=stand_in)
    assert result.bits_equal and len(result.rows) == 5
    assert result.rows[-1].error.startswith(reason) and f"not measured: {reason}" in str(result)


def test_peers_that_are_not_there_are_rows(functions, tmp_path, stand_in):
    pythons = {"torch": stand_in, "jax": str(tmp_path / "none")}
    result = quick(functions.by_namespace, kn.ones((5,)), peers=["torch", "jax"], peer_python=pythons)
    torch, _, jax, _ = result.rows[3:]
    assert torch.error.startswith("torch is not installed for ") and jax.error.startswith("cannot run ") and "No such file" in jax.error


def test_what_cannot_go_to_a_peer_is_a_row(functions, stand_in):
    local = quick(lambda x: x, kn.ones((5,)), peers=["jax"], peer_python=stand_in)
    assert "stands at the top of a module" in local.rows[-1].error
    held = quick(functions.raises, kn.nn.Linear(2, 2), peers=["jax"], peer_python=stand_in)
    assert "argument 0 is a Linear" in held.rows[-1].error


@pytest.mark.parametrize("peer", FORMS)
def test_real_peers(functions, peer):
    pytest.importorskip(peer, reason=f"{peer} not installed")
    result = quick(functions.by_namespace, kn.ones((5,)), peers=[peer])
    for row in result.rows[3:]:
        assert row.error is None and row.max_abs_difference_from_kiln < 1e-6
