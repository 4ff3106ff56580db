"""The C++ package as a user has it: installed, moved elsewhere, found by find_package(kiln), built against outside of the tree, and run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tree import BUILD, ROOT

EMPTY: dict[str, str] = {}  # not even a PATH

PROGRAMS = ROOT / "tests/structure/cpp_package"

# Each line is C++ and Python at once. The tensors are drawn from one seed, by draw() in bits.h and by the script below.
EXPRESSIONS = """
exp(x) / (1 + exp(x))
erf(x) - tanh(x * 3) + log1p(abs(x))
softmax(x, 1)
sum(x * y, 0)
mean(x)
var(x, 1)
matmul(x, matrix_transpose(y))
argmax(x, 1)
x > y
where(x > 0, sqrt(abs(x)), y)
remainder(arange(20), 7)
cross_entropy(x, remainder(arange(50), 7))
conv2d(image, kernel, bias, 1, 1)
random_uniform(9)
""".strip().splitlines()


def run(*command, env=None):
    result = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout[-4000:]}{result.stderr[-4000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the package was moved to after it was installed."""
    folder = tmp_path_factory.mktemp("package")
    run("cmake", "--install", BUILD, "--prefix", folder / "first")
    shutil.move(folder / "first", folder / "moved")
    return folder / "moved"


def build(source, installed):
    """Configures and builds a project as its README says; gives its build folder."""
    where = ["-S", source, "-B", source / "build", "-G", "Ninja"]
    run(
        "cmake",
        *where,
        f"-DCMAKE_PREFIX_PATH={installed}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror",
    )
    run("cmake", "--build", source / "build")
    return source / "build"


@pytest.fixture(scope="module")
def example(installed, tmp_path_factory):
    source = tmp_path_factory.mktemp("outside") / "example"
    shutil.copytree(ROOT / "examples/cpp", source)
    return build(source, installed) / "example"


@pytest.fixture(scope="module")
def programs(installed, tmp_path_factory):
    source = tmp_path_factory.mktemp("programs")
    shutil.copytree(PROGRAMS, source, dirs_exist_ok=True)
    calls = "\n".join(f"  print({expression});" for expression in EXPRESSIONS)
    (source / "bits.cpp").write_text(
        f'#include "bits.h"\nusing namespace kiln;\nint main() {{\n  const auto [x, y, image, kernel, bias] = draw();\n{calls}\n}}\n'
    )
    (source / "readme.cpp").write_text(readme_example())
    loads = readme_block("Out of Python", "cpp")
    (source / "exported.cpp").write_text(f"#include <kiln/kiln.h>\n#include <iostream>\nint main() {{\n{loads}}}\n")
    return build(source, installed)


def readme_block(section, language):
    text = (ROOT / "README.md").read_text().partition(f"\n## {section}\n")[2]
    return re.search(rf"^```{language}\n(.*?)^```", text, re.M | re.S)[1]


def readme_example():
    return readme_block("From C++", "cpp")


def test_what_is_installed(installed):
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    public = {path.relative_to(ROOT / "cpp/include") for path in (ROOT / "cpp/include").rglob("*.h")}
    headers = {f"include/{path}" for path in public} | {f"include/kiln/{name}.h" for name in ("dtype", "error", "operators")}
    libraries = {"lib/libkiln.so", "lib/libkiln_llvm.so"}
    package = {f"lib/cmake/kiln/kiln-{name}.cmake" for name in ("config", "config-version", "targets", "targets-release")}
    assert files == headers | libraries | package
    for path in files - libraries:
        assert str(BUILD) not in (installed / path).read_text() and str(ROOT) not in (installed / path).read_text(), path


def test_python_is_a_component_of_its_own(tmp_path):
    """What a wheel holds: the package and both libraries, no headers."""
    run("cmake", "--install", BUILD, "--component", "python", "--prefix", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"kiln"}
    names = {path.name for path in (tmp_path / "kiln").iterdir()}
    assert {"__init__.py", "_operators.pyi", "libkiln.so", "libkiln_llvm.so"} <= names
    assert not list(tmp_path.rglob("*.h"))


@pytest.mark.parametrize("environment", [None, EMPTY], ids=["as it is", "empty"])
def test_the_example_runs(example, environment):
    output = run(example, env=environment)
    assert re.search(r"^Kiln \d+\.\d+\.\d+$", output, re.M)
    assert "gelu: 1 calls, 1 traces" in output and "9 operators in 1 kernels" in output
    weight, bias, loss = map(float, re.search(r"^y = (\S+) x \+ (\S+), loss (\S+)$", output, re.M).groups())
    assert abs(weight - 3) < 0.01 and abs(bias + 1) < 0.01 and loss < 1e-3
    assert output.endswith("eager and jitted: identical, bit for bit\n")


def test_the_readme_example_runs(programs):
    assert 8 <= len(readme_example().splitlines()) <= 20, "an example one reads at a glance"
    assert "9 operators in 1 kernels" in run(programs / "readme", env=EMPTY)


def test_the_readme_program_leaves_python(programs, tmp_path):
    """Its Python, then its C++ in the folder where that left model.kiln."""
    script = readme_block("Out of Python", "python")
    assert len(script.splitlines()) <= 12, "an example one reads at a glance"
    environment = dict(os.environ, PYTHONPATH=str(BUILD / "python"))
    script += 'import numpy\nnumpy.save("y.npy", y.numpy())\n'
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0 and "x: float32(batch, 4)" in result.stdout, result.stderr
    assert (tmp_path / "model.onnx").exists()
    result = subprocess.run([programs / "exported"], cwd=tmp_path, env=EMPTY, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    numbers = re.findall(r"-?\d+\.\d*(?:e-?\d+)?", result.stdout)  # as short as they can be and still name one float32
    np.testing.assert_array_equal(np.array(numbers, np.float32).reshape(64, 3), np.load(tmp_path / "y.npy"))
    section = (ROOT / "README.md").read_text().partition("\n## Out of Python\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^kiln (.*)$", section, re.M)
    assert [c.split()[0] for c in commands] == ["info", "run", "check"]
    for command in commands:
        result = subprocess.run(
            [sys.executable, "-m", "kiln", *command.split()], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr


def test_operators_give_pythons_bits(programs):
    library = Path(sys.prefix, "lib/libdnnl.so.3")
    assert library.exists(), "oneDNN's package is among the pinned ones"
    found = run(programs / "bits", env={"KILN_DNNL": str(library)}).splitlines()
    lines = "".join(f"show({expression})\n" for expression in EXPRESSIONS)
    script = (
        "import numpy as np\nfrom kiln import *\nimport kiln\n"
        "show = lambda t: print(t.detach().numpy().tobytes().hex())\n"
        "manual_seed(5)\nx, y = random_normal((50, 7)), random_normal((50, 7))\n"
        "image, kernel, bias = random_normal((2, 3, 9, 9)), random_normal((4, 3, 3, 3)), random_normal(4)\n" + lines
    )
    expected = run(sys.executable, "-c", script, env=dict(os.environ, PYTHONPATH=str(BUILD / "python"))).splitlines()
    assert len(found) == len(expected) == len(EXPRESSIONS) and all(found)
    assert [e for e, a, b in zip(EXPRESSIONS, found, expected, strict=True) if a != b] == []


def test_without_onednn_the_error_says_what_to_do(programs):
    message = run(programs / "without_onednn", env=EMPTY)
    assert message.startswith("runtime: float32 convolutions need oneDNN") and "KILN_DNNL" in message and "beside libkiln.so" in message


def test_another_version_is_refused(installed, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text((PROGRAMS / "CMakeLists.txt").read_text().replace("kiln 0.1", "kiln 9.0"))
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={installed}"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode != 0 and 'requested version "9.0"' in result.stderr.replace("\n", " ").replace("  ", " "), result.stderr
