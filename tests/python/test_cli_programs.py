"""`kiln info`, `kiln run` and `kiln check`: what they tell of a program, and what they say of wrong input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kiln as kn
from kiln import nn
from kiln.cli import main
from kiln.export import Entry

GOLDEN = Path(__file__).parents[1] / "cpp/package/golden"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network with a training step, m.kiln, and a function of trees with a constraint, trees.kiln."""
    folder = tmp_path_factory.mktemp("programs")
    kn.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = kn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def train(image, label):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(image), label)
        loss.backward()
        optimizer.step()
        return loss

    train(kn.ones((2, 3, 4)), kn.asarray([0, 1]))
    image, label = kn.spec(("batch", 3, 4)), kn.spec(("batch",), kn.int64)
    kn.export({"predict": (lambda image: nn.functional.softmax(model(image), 1), image), "train": (train, image, label)}).save(
        folder / "m.kiln"
    )

    def trees(x, *, d):
        big = x * x.shape[0] if x.shape[0] > 3 else x
        return {"big": big, "pair": (d["k"] + 1, 3, None)}

    kn.export(trees, kn.spec(("n", "m"), kn.float64), d={"k": kn.spec((), kn.int32)}).save(folder / "trees.kiln")
    kn.export(lambda x: kn.random.normal((4,)) + x, kn.spec(4)).save(folder / "fixed.kiln")
    random = np.random.default_rng(0)
    np.save(folder / "image.npy", random.normal(size=(7, 3, 4)).astype(np.float32))
    np.save(folder / "double.npy", random.normal(size=(7, 3, 4)))
    np.save(folder / "flat.npy", random.normal(size=(7, 12)).astype(np.float32))
    np.savez(folder / "batch.npz", image=random.normal(size=(2, 3, 4)).astype(np.float32), label=np.array([0, 2]))
    np.savez(folder / "other.npz", picture=np.ones(3))
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    kn.save({"a": kn.ones(2)}, folder / "weights.npz")
    (folder / "text.kiln").write_text("hello")
    whole = (folder / "m.kiln").read_bytes()
    (folder / "short.kiln").write_bytes(whole[:-100])
    (folder / "flipped.kiln").write_bytes(whole[:-2000] + bytes([whole[-2000] ^ 1]) + whole[-1999:])
    return folder


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def said(capsys, command, status=0):
    assert main(command.split()) == status
    out, err = capsys.readouterr()
    return out if status != 2 else err


# ---- info -----------------------------------------------------------------------------------------------------------------------


def test_info(capsys):
    text = said(capsys, "info m.kiln")
    for expected in (
        "m.kiln: format 1, written by Kiln ",
        "  weights.safetensors  ",
        "  predict(image: float32(batch, 3, 4)) -> float32(batch, 3)",
        "  train(image: float32(batch, 3, 4), label: int64(batch,)) -> float32()",
        "of 8 tensors of state reads 4, writes none",
        "of 8 tensors of state reads all, writes all",
        "  model.1.weight                  float32  5x12   240 B  train",
    ):
        assert expected in text, text
    assert "multiply(" not in text
    assert "multiply(" in said(capsys, "info m.kiln --calls")
    assert "-> {big: float64(n, m), pair: (int32(), 3, None)}\n" in said(capsys, "info trees.kiln")
    assert "    n > 3, which the source compared at test_cli_programs.py:" in said(capsys, "info trees.kiln")


def test_info_as_json(capsys, folder):
    about = json.loads(said(capsys, "info m.kiln --json -"))
    assert about["format"] == 1 and about["kiln"] == kn.__version__
    assert about["bytes"] == (folder / "m.kiln").stat().st_size > sum(m["bytes"] for m in about["members"])
    predict, train = about["entries"]
    assert predict["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["batch", 3, 4]}]
    assert predict["results"] == [{"name": "output", "dtype": "float32", "shape": ["batch", 3]}]
    assert predict["writes"] == [] and len(train["writes"]) == 8 == len(about["state"])
    assert about["state"][0]["written_by"] == ["train"]
    assert said(capsys, "info trees.kiln --json about.json") == ""
    about = json.loads((folder / "about.json").read_text())
    assert [r["name"] for r in about["entries"][0]["results"]] == ["big", "pair.0"]
    assert about["entries"][0]["constraints"][0]["text"] == "n > 3"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.kiln")), ids=lambda path: path.stem)
def test_info_of_files_that_older_versions_wrote(capsys, path):
    assert said(capsys, f"info {path} --calls").startswith(str(path))


def test_names_in_a_file_cannot_steer_the_terminal(capsys, folder):
    kn.export(lambda **given: {"\x1b[2J\n": given["\x1b[31m"] + 1, "file": given["b"]}, **{"\x1b[31m": kn.spec("n"), "b": kn.spec(1)}).save(
        "evil.kiln"
    )
    for command in ("info evil.kiln --calls", "run evil.kiln --dim n=2 --out evil.npz", "check evil.kiln"):
        assert "\x1b" not in said(capsys, command)
    assert "main(\\x1b[31m: float32(n,), b: float32(1,)) -> {\\x1b[2J\\n: float32(n,), " in said(capsys, "info evil.kiln")
    assert "input '\\x1b[31m' is float32(n,)" in said(capsys, "run evil.kiln --random", status=2)
    with np.load("evil.npz") as results:
        assert sorted(results) == ["\x1b[2J\n", "file"]


WRONG_FILES = {
    "none.kiln": "none.kiln: cannot be opened: No such file",
    ".": "not a regular file",
    "text.kiln": "text.kiln: this is not a .kiln file",
    "weights.npz": "a zip file, but not one of a program; kiln.save writes named tensors",
    "short.kiln": "the file was truncated",
    "flipped.kiln": "is corrupt",
}


@pytest.mark.parametrize("command", ["info", "run", "check"])
@pytest.mark.parametrize("name", WRONG_FILES)
def test_files_that_are_no_programs(capsys, command, name):
    message = said(capsys, f"{command} {name}", status=2)
    assert message.startswith(f"kiln {command}: ") and WRONG_FILES[name] in message and message.count("\n") == 1


# ---- run ------------------------------------------------------------------------------------------------------------------------


def test_run_on_files(capsys, folder):
    program = kn.load("m.kiln")
    expected = program["predict"](np.load("image.npy")).numpy()
    for words in ("image.npy", "image=image.npy"):
        text = said(capsys, f"run m.kiln --entry predict --input {words} --out result.npy")
        assert text.startswith("predict(image: float32(7, 3, 4)) in ") and "output: float32(7, 3)\n[[" in text
        assert np.load("result.npy").tobytes() == expected.tobytes()
    assert said(capsys, "run m.kiln --entry predict --input image.npy --out result.npz --quiet") == ""
    with np.load("result.npz") as results:
        assert results["output"].tobytes() == expected.tobytes()


def test_run_trains_and_saves(capsys):
    program, (image, label) = kn.load("m.kiln"), np.load("batch.npz").values()
    for _ in range(5):
        loss = program["train"](image, label)
    text = said(capsys, "run m.kiln --entry train --input batch.npz --repeat 5 --save trained.kiln --out loss.npy")
    assert ", then 4 times in " in text and "--save" not in text
    assert np.load("loss.npy").tobytes() == loss.numpy().tobytes()
    kn.testing.assert_same_bits(kn.load("trained.kiln").state, program.state)
    assert "changed 8 tensors of state; --save FILE.kiln would keep that" in said(
        capsys, "run m.kiln --entry train --input batch.npz --repeat 2"
    )


def test_run_on_random_numbers(capsys):
    said(capsys, "run trees.kiln --dim n=5 --dim m=2 --seed 3 --out a.npz")
    said(capsys, "run trees.kiln --shape 5x2 --random --seed 3 --out b.npz --threads 1")
    with np.load("a.npz") as a, np.load("b.npz") as b:
        assert a["big"].shape == (5, 2) and sorted(a) == ["big", "pair.0"]
        assert all(a[name].tobytes() == b[name].tobytes() for name in a)
    assert "image: float32(7, 3, 4), label: int64(7,)" in said(capsys, "run m.kiln --entry train --input image.npy --random --below 3")
    said(capsys, "run fixed.kiln --random --out c.npy --seed 1")
    said(capsys, "run fixed.kiln --random --out d.npy --seed 1 --repeat 2")
    assert not np.array_equal(np.load("c.npy"), np.load("d.npy")), "a second run draws other numbers"


@pytest.mark.parametrize(
    ("command", "message"),
    {
        "m.kiln --input image.npy": "several entries: name one with --entry, of predict, train",
        "m.kiln --entry evaluate": "no entry 'evaluate'; it has predict, train",
        "m.kiln --entry predict": "--input names a .npy or .npz file, --dim batch=N gives random numbers",
        "m.kiln --entry predict --input double.npy": "this array is float64(7, 3, 4); numpy.save(FILE, array.astype(",
        "m.kiln --entry predict --input flat.npy": "input 'image': expected float32(batch, 3, 4)",
        "m.kiln --entry predict --input image.npy --input image.npy": "no further input; it has image",
        "m.kiln --entry predict --input image=image.npy --input image=image.npy": "input 'image' is given twice",
        "m.kiln --entry predict --input imge=image.npy": "'predict' has no input 'imge'; it has image",
        "m.kiln --entry predict --input image=batch.npz": "names its arrays itself; write batch.npz",
        "m.kiln --entry predict --input other.npz": "other.npz holds an array 'picture', which is no input of 'predict'; it has image",
        "m.kiln --entry predict --input none.npy": "cannot read none.npy: No such file",
        "m.kiln --entry predict --input objects.npy": "objects.npy is no array that numpy.save or numpy.savez wrote: it has",
        "m.kiln --entry predict --input text.kiln": "text.kiln is no array that numpy.save or numpy.savez wrote",
        "m.kiln --entry predict --dim size=3": "there is no dimension 'size'; there is batch",
        "m.kiln --entry predict --dim batch": "write NAME=N, such as batch=7",
        "m.kiln --entry predict --dim batch=1,2": "--dim batch: one size, not 2",
        "m.kiln --entry predict --dim batch=99999999999": "GB of memory hold",
        "m.kiln --entry predict --random": "how large is batch? --dim batch=N",
        "m.kiln --entry predict --shape 2x3x5": "input 'image': expected float32(batch, 3, 4)",
        "m.kiln --entry predict --shape 2x3x4:float12": "no such dtype as 'float12'",
        "m.kiln --entry predict --input image.npy --shape 2": "1 times --shape, but 0 inputs without a file",
        "m.kiln --entry train --input batch.npz --out r.txt": "a name that ends in .npz, or .npy where there is one result",
        "m.kiln --entry train --input batch.npz --out none/r.npy": "--out none/r.npy: there is no folder none",
        "m.kiln --entry train --input batch.npz --save none/r.kiln": "--save none/r.kiln: there is no folder none",
        "m.kiln --entry train --input batch.npz --repeat 0": "--repeat must be from 1",
        "m.kiln --entry train --input image.npy --random --below 0": "--below must be from 1",
        "m.kiln --entry train --input image.npy --random --below 1000000": "entry 'train' raised IndexError",
        "trees.kiln --dim n=2 --dim m=1": "these shapes break the constraint n > 3, which the source compared at test_cli_programs.py:",
        "trees.kiln --dim n=5 --dim m=1 --out r.npy": "the entry has 2 results; .npz holds them by their names",
        "fixed.kiln": "--random gives random numbers",
        "fixed.kiln --dim n=5": "there is no dimension 'n'; all extents are numbers",
    }.items(),
)
def test_wrong_use_of_run(capsys, command, message):
    text = said(capsys, f"run {command}", status=2)
    assert text.startswith("kiln run: ") and message in text, text
    assert "pickle" not in text


def test_a_full_disk_leaves_the_old_files(folder):
    """A limit on the size of files is what a full disk is: writing fails half way."""
    for name in ("kept.npy", "kept.kiln"):
        (folder / name).write_bytes(b"old")
    before = sorted(os.listdir(folder))
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
    for option in ("--out kept.npy", "--save kept.kiln"):
        arguments = ["run", "m.kiln", "--entry", "predict", "--input", "image.npy", *option.split()]
        code = f"{limit} from kiln.cli import main; raise SystemExit(main({arguments}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 2 and "File too large" in done.stderr and option.split()[1] in done.stderr, done.stderr
    assert [(folder / name).read_bytes() for name in ("kept.npy", "kept.kiln")] == [b"old", b"old"]
    assert sorted(os.listdir(folder)) == before


# ---- check ----------------------------------------------------------------------------------------------------------------------


def test_check_runs_every_entry_on_every_back_end(capsys, folder):
    before = (folder / "m.kiln").read_bytes()
    launches = kn.kernel_counters()["launches"]
    text = said(capsys, "check m.kiln --below 3")
    assert "run on interpreter, asmjit, llvm, with 1 and " in text
    for name in ("predict", "train"):
        assert f"\n{name}: all bits equal\n  at batch = 1; batch = 2; batch = 7; batch = 32\n" in text + "\n"
    for backend in ("interpreter", "asmjit", "llvm"):
        assert kn.kernel_counters()["launches"][backend] > launches[backend]
    assert kn.config.backend == "auto" and (folder / "m.kiln").read_bytes() == before


def test_check_of_programs_that_draw_and_that_refuse(capsys):
    assert "main: all bits equal" in said(capsys, "check fixed.kiln")
    text = said(capsys, "check trees.kiln --dim m=3,1")
    assert (
        "  at n = 7, m = 1; n = 32, m = 3\n" in text
        and "  refused n = 1, m = 1: ValueError: these shapes break the constraint n > 3" in text
    )
    data = json.loads(said(capsys, "check trees.kiln --dim n=1,2 --json -", status=3))
    assert data["entries"][0]["bits_equal"] is None and data["entries"][0]["ran_at"] == []
    assert "main: NOT CHECKED, refused its inputs" in said(capsys, "check trees.kiln --dim n=1,2", status=3)
    text = said(capsys, "check m.kiln --entry train --below 1000 --dim batch=8", status=3)
    assert "refused batch = 8: IndexError" in text and "--below other integers" in text


@pytest.mark.parametrize("where", ["results", "state", "error"])
def test_check_finds_what_differs(capsys, monkeypatch, where):
    """A back end that is wrong in the last bit of one element, or raises."""
    run = Entry.run

    def wrong(self, inputs):
        results = run(self, inputs)
        if kn.config.backend == "llvm" and kn.num_threads() > 1:
            if where == "error":
                raise OverflowError("planted")
            changed = results[0] if where == "results" else self._program.state["model.1.bias"]
            array = changed.numpy().copy()
            array.flat[-1] = np.nextafter(array.flat[-1], np.float32(9))
            changed[...] = kn.asarray(array)
        return results

    monkeypatch.setattr(Entry, "run", wrong)
    text = said(capsys, "check m.kiln --entry train --below 3 --dim batch=2,5", status=1)
    assert "train: DIFFERENT BITS" in text
    what = {
        "results": "result output: 1 of 1 elements differ",
        "state": "state model.1.bias: 1 of 5 elements differ in their bits; the first at (4,)",
        "error": "OverflowError: planted, and results",
    }[where]
    lines = [line for line in text.splitlines() if line.startswith("  llvm")]
    assert len(lines) == 2 and f"beside interpreter, 1 thread at batch = 2: {what}" in lines[0], text


def test_check_without_a_back_end(folder):
    done = subprocess.run(
        [sys.executable, "-m", "kiln", "check", "fixed.kiln"],
        cwd=folder,
        env=dict(os.environ, KILN_LLVM="off"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3 and "not on llvm: " in done.stdout and "main: all bits equal" in done.stdout, done.stderr
