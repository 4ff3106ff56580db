"""Set-up says clearly what is wrong: script/bootstrap with commands in front of the path that fail as they would elsewhere."""

import os
import re
import subprocess

import pytest

from tree import ROOT

CASES = {
    "another system": ({"uname": "echo Darwin arm64"}, "runs on Linux on x86-64; this is Darwin arm64"),
    "an old processor": ({"grep": '[ "$2" != avx2 ]'}, "needs a CPU with AVX2 and FMA3"),
    "no network": ({"dpkg-query": "echo not-installed", "sudo": "exit 1", "apt-get": "exit 100"}, "Is the network reachable"),
    "an old Python": ({"python3": '[ "$1" != -c ] && echo Python 3.9.2'}, "needs Python 3.11 or later"),
}


@pytest.mark.parametrize("case", CASES)
def test_bootstrap_says_what_is_wrong(case, tmp_path):
    commands, message = CASES[case]
    for name, body in commands.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    environment = {"HOME": os.environ.get("HOME", "/"), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    result = subprocess.run(["script/bootstrap"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode != 0
    assert message in result.stderr
    assert "line " not in result.stderr, "a failure of the shell's own"


def test_bootstrap_does_nothing_the_second_time():
    environment = {"HOME": os.environ.get("HOME", "/"), "PATH": "/usr/bin:/bin"}
    for _ in range(2):
        result = subprocess.run(["script/bootstrap"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_versions_that_are_tested_are_those_whose_byte_code_is_known():
    """script/test-pythons takes them from the package's classifiers."""
    from kiln.capture.opcodes import KNOWN_VERSIONS

    named = re.findall(r'"Programming Language :: Python :: (\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert [(int(major), int(minor)) for major, minor in named] == list(KNOWN_VERSIONS)


def test_a_version_that_is_not_there_is_reported_as_untested():
    result = subprocess.run(["script/test-pythons", "3.99"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[-2].split(None, 1) == ["3.99", "untested: not installed"]
