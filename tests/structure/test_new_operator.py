"""One operator is one file: add it to a copy of the tree, change nothing else, build, and find it everywhere.

The file is the one that CONTRIBUTING.md shows. The copy is kept in the build folder, and ccache knows all of its other objects from the
first build, so that this takes seconds.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tree import BUILD, ROOT, files

NAME = "softsign"
COPY = BUILD / "new-operator"


def run(*command, **variables):
    environment = dict(os.environ, KILN_BUILD=str(COPY / "build"), PYTHONPATH=str(COPY / "build/python"), **variables)
    result = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout[-4000:]}{result.stderr[-4000:]}"
    return result.stdout


def copy_tree():
    """Brings the copy up to date; files that did not change keep their times, so that the build does little."""
    wanted = {path for path in files() if path.suffix not in (".md", ".gz")}
    for path in wanted:
        target = COPY / path
        content = (ROOT / path).read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)
    for target in COPY.rglob("*.*"):
        path = target.relative_to(COPY)
        if target.is_file() and path.parts[0] not in ("build", ".venv") and "__pycache__" not in path.parts and path not in wanted:
            target.unlink()
    if not (COPY / ".venv").exists():
        (COPY / ".venv").symlink_to(sys.prefix)


def add_operator():
    text = re.search(rf"^```cpp\n(// {NAME}:.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)[1]
    path = COPY / f"eager/ops/{NAME}.cpp"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


@pytest.fixture(scope="module")
def build():
    """The build folder of a tree that has one more operator."""
    COPY.mkdir(parents=True, exist_ok=True)
    copy_tree()
    add_operator()
    run("cmake", "-S", COPY, "-B", COPY / "build", "-G", "Ninja", f"-DKILN_VENV={COPY}/.venv", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", COPY / "build")
    return COPY / "build"


def test_it_is_a_function_and_a_method(build):
    run(
        sys.executable,
        "-c",
        "import kiln as kn, numpy as np\n"
        "x = kn.asarray(np.float32([-3, 0, 1]))\n"
        f"assert kn.{NAME}(x).tolist() == x.{NAME}().tolist() == kn.jit(kn.{NAME})(x).tolist() == [-0.75, 0.0, 0.5]\n"
        "assert '1 + |x|' in kn.softsign.__doc__",
    )


def test_it_is_in_the_stubs(build):
    assert f"def {NAME}(x: ArrayLike) -> Tensor:" in (build / "python/kiln/_operators.pyi").read_text()
    assert f"def {NAME}(self)" in (build / "python/kiln/_core.pyi").read_text()


def test_it_is_in_the_cpp_header(build):
    assert f"inline Tensor {NAME}(const Operand& x)" in (build / "include/kiln/operators.h").read_text()


def test_it_is_on_the_operators_page(build):
    assert f"## {NAME}\n" in (build / "docs/operators.md").read_text()


@pytest.mark.parametrize("file", ["test_operators.py", "test_gradients.py"])
def test_its_values_and_its_gradient_are_tested(build, file):
    output = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"tests/python/{file}", "-k", NAME)
    assert int(re.search(r"(\d+) passed", output)[1]) >= 1


def test_the_fuzzer_draws_it(build):
    """Its table of what occurred has the operator, after few programs."""
    output = run(build / "tests/cpp/kiln_tests", "--gtest_filter=GraphFuzz.EveryWay*", KILN_FUZZ_SEED="1", KILN_FUZZ_COUNT="60")
    assert re.search(rf"^operator:.* {NAME} \d+", output, re.M)
