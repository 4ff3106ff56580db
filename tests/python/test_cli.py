"""The command `kiln`: help, exit status, what it says of wrong input, and its files."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from pathlib import Path

import pytest

import kiln as kn
from interrupts import deliver_interrupts
from kiln.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]

MODULE = """
    import time
    import kiln as kn

    def double(x):
        return x * 2

    def differs(x):
        return x + kn.is_tracing()

    def two(x, y):
        return x @ y

    def raises(x):
        raise LookupError("of its own")

    def sleepy(x):
        time.sleep(0.11)
        return x

    def made(a, b):
        return a + b

    def made_inputs():
        return kn.ones((2, 3)), kn.ones((3,))

    def unmade(x):
        return x

    def unmade_inputs():
        return 1 / 0

    number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to be in, with m.py; what the command imports is forgotten afterwards."""
    (tmp_path / "m.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "broken.py").write_text("import kiln\nkiln.no_such_thing\n")
    (tmp_path / "common.py").write_text(
        "import kiln as kn\n\ndef f(x):\n    return x + 1\n\ndef example_inputs():\n    return (kn.ones((4,)),)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in {"m", "broken", "common", "kiln_user_m"} & (set(sys.modules) - before):
        del sys.modules[name]


def compare(*arguments):
    return main(["compare", *arguments, "--seconds", "0.01", "--repeat", "5", "--quiet"])


def test_compare_prints_a_table(capsys):
    assert compare("m:double", "--shape", "30x40") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("double(float32[30, 40]) on ") and err == ""
    assert lines[2].split() == "a call middle half speed first call a call runs peak memory bits".split()
    assert [line.partition("  ")[0] for line in lines[3:6]] == ["Kiln, eager", "Kiln, tier 1, AsmJit", "Kiln, tier 2, LLVM"]
    assert lines[4].endswith("equal")


@pytest.mark.parametrize(
    ("arguments", "inputs"),
    [
        (["m.py:double", "--shape", "scalar:float64"], ["float64[]"]),
        (["m:two", "--shape", "2x3", "--shape", "3x4:int32"], ["float32[2, 3]", "int32[3, 4]"]),
        (["m:double", "--shape", "5:bool"], ["bool[5]"]),
        (["m:made"], ["float32[2, 3]", "float32[3]"]),
        (["common:f"], ["float32[4]"]),
        (["common.py:f", "--shape", "0"], ["float32[0]"]),
    ],
)
def test_where_inputs_come_from(capsys, arguments, inputs):
    assert compare(*arguments, "--json", "-") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["inputs"] == inputs and data["bits_equal"]


def test_seeds_and_threads(capsys):
    assert compare("m:double", "--shape", "10", "--threads", "1", "--seed", "7", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["threads"] == 1 == kn.num_threads()


def test_results_that_differ_are_status_1(capsys):
    assert compare("m:differs", "--shape", "4") == 1
    assert "DIFFER in 100 %" in capsys.readouterr().out


def test_a_peer_without_figures_is_status_3(capsys):
    assert compare("m:double", "--shape", "4", "--peers", "torch", "--peer-python", "torch=/no/such/python") == 3
    assert "cannot run /no/such/python: No such file or directory" in capsys.readouterr().out


WRONG = {
    "m": "'m' names no function; write module:function or file.py:function",
    ":double": "names no function",
    "m:": "names no function",
    "nowhere:double": "there is no module 'nowhere' here (",
    "m.deeper:double": "there is no module 'm.deeper' here (",
    "nowhere.py:double": "there is no file nowhere.py",
    "broken:f": "importing broken failed: AttributeError: kiln has no attribute 'no_such_thing' (",
    "m:duoble": "m has no function 'duoble'; did you mean 'double'?",
    "m:xyzzy": "m has no function 'xyzzy'; there is double, differs",
    "m:number": "m:number is no function but int",
    "m:two": "m:two takes x, y: give one --shape for each, such as --shape 4096x1024:float32, or define two_inputs()",
    "m:unmade": "unmade_inputs() failed: ZeroDivisionError: division by zero (",
    "m:raises --shape 3": "m:raises failed: LookupError: of its own (",
    "m:two --shape 2x3 --shape 2x3": "m:two failed: ValueError: matmul: shapes (2, 3) and (2, 3) do not fit",
    "m:double --shape 3 --shape 4": "m:double failed: TypeError",
    "m:double --shape 3x": "--shape 3x: a shape is numbers with x between them",
    "m:double --shape -3": "--shape -3: a shape is numbers with x between them",
    "m:double --shape 3:f32": "--shape 3:f32: no such dtype as 'f32'; there is float32, float64",
    "m:double --shape 99999999x99999999": "elements are more than this machine's",
    "m:double --shape 3 --seed -1": "--seed must be from 0",
    "m:double --shape 3 --threads 0": "'0' is not a number from 1 to 1024",
    "m:double --shape 3 --peers torch,cupy": "no such peer: cupy; there is torch, jax, tensorflow",
    "m:double --shape 3 --json none/o.json": "--json none/o.json: there is no folder none",
    "m:double --shape 3 --html .": "--html . is a folder",
    "m:double --shape 3 --plot o.svg": "--plot o.svg: writes PNG",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_usage_is_status_2_and_says_why(capsys, text):
    try:
        status = main(["compare", *text.split(), "--quiet"])
    except SystemExit as end:  # argparse's own
        status = end.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "") and WRONG[text] in err
    assert len(err.splitlines()) == 1 or err.startswith("usage: ")


@pytest.mark.parametrize(("option", "value"), [("--seconds", "0"), ("--seconds", "nan"), ("--repeat", "0")])
def test_limits_of_measuring(capsys, option, value):
    assert main(["compare", "m:double", "--shape", "3", option, value]) == 2
    assert f"{option} must be" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_file(capsys, folder, monkeypatch):
    (folder / "old.json").write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)  # with something written already
    assert compare("m:double", "--shape", "3", "--json", "old.json") == 2
    assert "cannot write old.json: No space left on device" in capsys.readouterr().err
    assert (folder / "old.json").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_plot_and_page_are_written(folder, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib not installed")
    assert compare("m:double", "--shape", "100", "--plot", "o.png", "--html", "o.html", "--json", "o.json") == 0
    assert (folder / "o.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert (folder / "o.html").read_text().startswith("<!doctype html>")
    assert json.loads((folder / "o.json").read_text())["function"] == "double"
    assert capsys.readouterr().out.startswith("double(")


def test_explain(capsys, folder):
    assert main(["explain", "m:double", "--shape", "10", "--form", "graph", "--html", "e.html"]) == 0
    out = capsys.readouterr().out
    assert "one operator over (10,)" in out and "= multiply(%0, " in out
    assert "multiply" in (folder / "e.html").read_text()
    assert main(["explain", "m:raises", "--shape", "10"]) == 2
    assert "LookupError: of its own (" in capsys.readouterr().err


def test_help(capsys):
    for arguments in ([], *[[name] for name in COMMANDS]):
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--help"])
        text = capsys.readouterr().out
        assert end.value.code == 0 and "exit status:" in text and "interrupted" in text
        assert max(len(line) for line in text.splitlines()) <= 140
    for word in ("example_inputs()", "--shape", "--peer-python", "kiln compare ", "array API"):
        main_help = _help_of(capsys, "compare")
        assert word in main_help
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"kiln {kn.__version__}\n"


def _help_of(capsys, name):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    return capsys.readouterr().out


EXAMPLES = [
    line
    for page in ("README.md", "docs/compare.md")
    for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    for line in block.splitlines()
    if line.startswith("kiln compare ")
]


@pytest.mark.parametrize("command", EXAMPLES)
def test_commands_in_the_documents_run(capsys, folder, command):
    pytest.importorskip("matplotlib", reason="matplotlib not installed")
    (folder / "examples").symlink_to(ROOT / "examples")
    status = main([*command.split()[1:], "--seconds", "0.01", "--repeat", "5", "--peer-python", "/no/such/python"])
    assert status == (3 if "--peers" in command else 0)
    out, _ = capsys.readouterr()
    assert re.match(r"\w+\(float32\[", out) and "equal" in out


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "kiln", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_interrupt_ends_with_status_130_and_no_traceback():
    with start("compare", "m:sleepy", "--shape", "3", "--seconds", "60", preexec_fn=deliver_interrupts) as process:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "kiln compare: interrupted\n")


def test_the_package_installs_the_command():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["kiln"].partition(":")
    assert getattr(importlib.import_module(module), name) is main


def test_importing_the_command_is_light():
    code = (
        "import sys, kiln.cli; kiln.cli.parser()\n"
        "print(sorted({'matplotlib', 'tqdm', 'torch', 'subprocess', 'kiln.comparing.page'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_progress_only_on_a_terminal():
    pytest.importorskip("tqdm", reason="tqdm not installed")
    import fcntl
    import pty
    import struct
    import termios

    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo terminals here: {error}")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [sys.executable, "-m", "kiln", "compare", "m:sleepy", "--shape", "3", "--seconds", "0.1", "--repeat", "5"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # how a pseudo-terminal ends
            pass
    os.close(ours)
    assert process.returncode == 0 and "1 of 3" in shown.decode() and "Kiln, tier 1, AsmJit" in shown.decode()
