"""Programs in files, from Python: what is loaded computes what was saved, and files that are not whole, not ours or not of today say so."""

import os
import struct
import subprocess
import sys
import textwrap
import zlib

import numpy as np
import pytest

import kiln as kn
from kiln import nn


@pytest.fixture(scope="module")
def network():
    """A network, a training step, and both as a program."""
    kn.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 5))
    optimizer = kn.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def train(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    train(*batch(0))
    x, y = kn.spec(("batch", 1, 8, 8)), kn.spec(("batch",), kn.int64)
    return model, train, kn.export({"predict": (model, x), "train": (train, x, y)})


def batch(seed, size=6):
    random = np.random.default_rng(seed)
    return kn.asarray(random.normal(size=(size, 1, 8, 8)).astype(np.float32)), kn.asarray(random.integers(0, 5, size))


@pytest.fixture
def path(network, tmp_path):
    network[2].save(tmp_path / "m.kiln")
    return tmp_path / "m.kiln"


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], capture_output=True, text=True)


def test_a_new_process_gives_the_same_bits(network, path, tmp_path):
    model, _, program = network
    sizes = (1, 7, 64)
    np.savez(tmp_path / "in.npz", *(batch(s, s)[0].numpy() for s in sizes))
    code = """
        import sys, numpy as np, kiln as kn
        program = kn.load(sys.argv[1])
        np.savez(sys.argv[3], *(program["predict"](x).numpy() for x in np.load(sys.argv[2]).values()))
    """
    done = python(code, path, tmp_path / "in.npz", tmp_path / "out.npz")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as results:
        for size, found in zip(sizes, results.values(), strict=True):
            with kn.no_grad():
                kn.testing.assert_same_bits(found, model(batch(size, size)[0]))
    assert str(kn.load(path)) == str(program)


def test_training_goes_on_where_the_file_left_it(network, path, tmp_path):
    program = kn.load(path)
    twice = kn.load(path)
    for seed in range(3):
        program["train"](*batch(seed))
    program.save(tmp_path / "later.kiln")
    later = kn.load(tmp_path / "later.kiln")
    for seed in range(3, 6):
        later["train"](*batch(seed))
    for seed in range(6):
        twice["train"](*batch(seed))
    kn.testing.assert_same_bits(later.state, twice.state)
    assert kn.load(path).state["0.weight"].numpy().tobytes() == network[2].state["0.weight"].numpy().tobytes(), "a file stays as it is"


def test_a_loaded_program_has_no_source_to_be_checked_against(path):
    with pytest.raises(RuntimeError, match="loaded from a file, which does not hold its source"):
        kn.load(path)["predict"].check(batch(0)[0])


def test_saving_over_the_file_that_a_program_was_loaded_from(path):
    program = kn.load(path)
    program["train"](*batch(0))
    program.save(path)
    kn.testing.assert_same_bits(kn.load(path).state, program.state)


def test_a_full_disk_leaves_the_old_file(path, tmp_path):
    """A limit on the size of files is what a full disk is: writing fails half way."""
    before = path.read_bytes()
    code = """
        import resource, signal, sys, kiln as kn
        program = kn.load(sys.argv[1])
        program["train"](kn.ones((2, 1, 8, 8)), kn.asarray([0, 1]))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for limit in (0, 100, 5000, %d):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                program.save(sys.argv[1])
            except OSError as error:
                print(error)
    """
    done = python(code % (len(before) - 1), path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all(f"{path}: cannot write: File too large" in line and "unchanged" in line for line in lines), lines
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.kiln"], "no temporary file is left"


def changed(path, member_part, replacement):
    """The file with bytes of its manifest replaced, its CRC-32 put right."""
    content = path.read_bytes()
    start = content.index(b'{"format"')
    manifest = content[start : content.index(b"]}", start) + 3]
    crc = struct.pack("<I", zlib.crc32(manifest))
    assert content.count(crc) == 2, "in the member's header and in the directory"
    new = manifest.replace(member_part, replacement)
    assert len(new) == len(manifest) and new != manifest
    path.write_bytes(content.replace(manifest, new).replace(crc, struct.pack("<I", zlib.crc32(new))))


def test_a_file_of_a_newer_format_says_who_wrote_it(path):
    changed(path, b'"format": 1, "kiln": "0.1.0"', b'"format": 2, "kiln": "7.8.9"')
    with pytest.raises(ValueError, match=rf"m.kiln: .*format 2 and was written by Kiln 7\.8\.9.*this is Kiln {kn.__version__}"):
        kn.load(path)


def test_a_changed_manifest_without_its_checksum_is_damage(path):
    path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(OSError, match=r"manifest.json is corrupt"):
        kn.load(path)


def test_damaged_files(path):
    content = path.read_bytes()
    for length in (0, 10, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(OSError, match=r"m\.kiln: "):
            kn.load(path)
    for at in np.random.default_rng(0).integers(0, len(content), 50):
        path.write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        with pytest.raises(OSError, match=r"m\.kiln: "):
            kn.load(path)


def test_files_that_are_something_else(tmp_path):
    (tmp_path / "text").write_text("hello")
    np.save(tmp_path / "array.npy", np.ones(3))
    for name in ("text", "array.npy"):
        with pytest.raises(ValueError, match=r"is not a file of kiln\.save, nor a program's") as error:
            kn.load(tmp_path / name)
        assert "pickle" not in str(error.value)
    with pytest.raises(FileNotFoundError):
        kn.load(tmp_path / "none.kiln")


def test_programs_are_known_by_their_content(network, tmp_path):
    network[2].save(tmp_path / "model")
    assert list(kn.load(tmp_path / "model").entries) == ["predict", "train"]
