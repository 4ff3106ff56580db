"""A kind of check that is left out is found: by the programs of the generator, within the tests' number of them."""

import subprocess
import sys
from pathlib import Path

import pytest

# Those that the generator's programs reach. (A check whose loss makes reads unsafe may end the process: that is found too.)
KINDS = """
arguments type same distinct value length keys members no_class_attribute own_class_attribute no_own_class_attribute class_bases method
no_attribute no_own_attribute no_item off_tape leaf class_attribute item dict_item cell code receiver function
""".split()
# Looks at what tensors hold, which are not noted: a check's own, and others.
LOOKS = ["look check", "look value"]

# In a process of its own: what other tests have left in this one must not hide a difference.
FINDS = """
import sys
import kiln as kn
from kiln import _core
from kiln.capture import patience
from tests.capture.modes import MODES
from tests.capture.test_generator import COUNT, difference, program
# On a busy machine a recording may take too long, or another way look faster: then nothing is replayed, and nothing found.
patience.FIRST = float("inf")
kn.config.measure_ways = 0
kind = sys.argv[1]
if kind.startswith("look "):
    _core.plant_look_fault(_core.look_kinds.index(kind[5:]))
elif kind != "none":
    _core.plant_replay_fault(_core.replay_ops.index(kind))

def differs(seed):
    try:
        return difference(program(seed), MODES["replay"])
    except Exception:  # what the run leaves cannot even be looked at
        return True

sys.exit(3 if any(map(differs, range(COUNT))) else 0)
"""


def status(kind):
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", FINDS, kind], cwd=root, capture_output=True, check=False).returncode


@pytest.mark.parametrize("kind", KINDS + LOOKS)
def test_a_missing_check_is_found(kind):
    found = status(kind)
    assert found == 3 or found < 0, f"300 programs ran without '{kind}', and none differed"


def test_with_all_checks_nothing_differs():
    assert status("none") == 0
