"""A kind of check that is left out is found: by the programs of the generator, within the tests' number of them."""

import subprocess
import sys
from pathlib import Path

import pytest

# Those that the generator's programs reach. (A check whose loss makes reads unsafe may end the process: that is found too.)
KINDS = "arguments type same distinct value length keys class_attribute method no_attribute no_item dict_item cell code".split()

# In a process of its own: what other tests have left in this one must not hide a difference.
FINDS = """
import sys
from kiln import _core
from tests.capture.modes import MODES
from tests.capture.test_generator import COUNT, difference, program
if sys.argv[1] != "none":
    _core.plant_replay_fault(_core.replay_ops.index(sys.argv[1]))
sys.exit(3 if any(difference(program(seed), MODES["replay"]) for seed in range(COUNT)) else 0)
"""


def status(kind):
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", FINDS, kind], cwd=root, capture_output=True, check=False).returncode


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_check_is_found(kind):
    found = status(kind)
    assert found == 3 or found < 0, f"300 programs ran without the check '{kind}', and none differed"


def test_with_all_checks_nothing_differs():
    assert status("none") == 0
