"""kn.config.verify finds what a missing check makes stale: in the generator's programs, each kind of check that they reach."""

import subprocess
import sys
from pathlib import Path

import pytest

# How many programs are run at most. (These kinds are found soon; others take some hundred programs.)
KINDS = {"value": 30, "distinct": 300, "type": 150}

FINDS = """
import sys
from kiln import _core
from kiln.errors import VerificationError
from tests.capture.generator import generate
from tests.capture.modes import MODES
from tests.capture.run import run_source
found = []
VerificationError.__init__ = lambda self, text: (found.append(text), RuntimeError.__init__(self, text))[0]
_core.plant_replay_fault(_core.replay_ops.index(sys.argv[1]))
for seed in range(int(sys.argv[2])):
    run_source(generate(seed).source(), "generated", MODES["verify"])
    if found:
        print(found[0])
        sys.exit(3)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_missing_check_makes_stale_is_found_and_named(kind):
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", FINDS, kind, str(KINDS[kind])], cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 3 or run.returncode < 0, f"{KINDS[kind]} programs ran without the check '{kind}', and nothing was found"
    assert run.returncode < 0 or ", Python" in run.stdout or "Python raises" in run.stdout, run.stdout
