"""A .kiln file is a zip and a safetensors file to everyone else: Python's zipfile, Info-ZIP's unzip, the safetensors package."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as load_safetensors

GOLDEN = sorted((Path(__file__).parents[1] / "cpp" / "package" / "golden").glob("*.kiln"))
MEMBERS = ["manifest.json", "graph.json", "weights.safetensors"]
ALIGNMENT = 64

pytestmark = pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)


def member_offset(path, info):
    """Where a member's bytes begin: behind its header, whose name and extra field say how long they are."""
    header = path.read_bytes()[info.header_offset :][:30]
    return info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def test_zipfile_reads_it(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == MEMBERS
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert member_offset(path, info) % ALIGNMENT == 0


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_reads_it(path):
    result = subprocess.run(["unzip", "-tq", str(path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_its_json_is_json(path):
    with zipfile.ZipFile(path) as archive:
        manifest, graph = json.loads(archive.read(MEMBERS[0])), json.loads(archive.read(MEMBERS[1]))
        assert manifest["format"] == 1
        assert [(m["name"], m["size"]) for m in manifest["members"]] == [(i.filename, i.file_size) for i in archive.infolist()[1:]]
    assert list(graph) == ["operators", "state", "entries"]
    called = {call["op"] for entry in graph["entries"] for call in entry["calls"]} - {None}
    assert [op["name"] for op in graph["operators"]] == sorted(called)


def test_safetensors_reads_the_state(path):
    with zipfile.ZipFile(path) as archive:
        weights, graph = archive.read(MEMBERS[2]), json.loads(archive.read(MEMBERS[1]))
    tensors = load_safetensors(weights)
    assert sorted(tensors) == sorted(entry["name"] for entry in graph["state"])
    for entry in graph["state"]:
        assert tensors[entry["name"]].dtype == np.dtype(entry["dtype"])
        assert list(tensors[entry["name"]].shape) == entry["shape"]
    if "weight" in tensors:
        np.testing.assert_array_equal(tensors["weight"], np.arange(12, dtype=np.float32).reshape(3, 4))
    if "mask" in tensors:
        np.testing.assert_array_equal(tensors["mask"], [True, False, True, True, False])
