"""Includes between rooms point to the left only, and the build itself refuses the others."""

import re
from pathlib import Path

import pytest

from tree import ROOMS, ROOT, may_include, sources, try_compile

ALLOWED = [(room, other) for room in ROOMS for other in may_include(room)]
FORBIDDEN = [(room, other) for room in ROOMS for other in ROOMS if other not in may_include(room)]


def a_header(room):
    """One header of the room, of its top folder where there are some."""
    return min((path for path in sources(".h") if path.parts[0] == room), key=lambda path: (len(path.parts), path))


@pytest.mark.parametrize(("room", "other"), FORBIDDEN, ids=lambda room: room)
def test_forbidden_include_fails_to_compile(room, other):
    header = a_header(other)
    result = try_compile(room, f'#include "{header}"\n')
    assert result.returncode != 0, f"{room}/ can include {header}"
    assert f"{header}: No such file" in result.stderr, result.stderr


@pytest.mark.parametrize(("room", "other"), ALLOWED, ids=lambda room: room)
def test_allowed_include_compiles(room, other):
    result = try_compile(room, f'#include "{a_header(other)}"\n')
    assert result.returncode == 0, result.stderr


def quoted_includes(path):
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        if match := re.match(r'\s*#\s*include\s*"([^"]+)"', line):
            yield f"{path}:{number}", match[1]


@pytest.mark.parametrize("room", ROOMS)
def test_includes_name_their_room(room):
    """The compiler finds "../eager/x.h" whatever the include path is, so relative forms are refused here."""
    wrong = [
        f"{where}: {included}"
        for path in sources(".h", ".cpp", ".inc")
        if path.parts[0] == room
        for where, included in quoted_includes(path)
        if included.split("/")[0] not in may_include(room) or ".." in included.split("/")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "cpp"])
def test_public_headers_are_for_programs_alone(room):
    result = try_compile(room, "#include <kiln/tensor.h>\n")
    assert "kiln/tensor.h: No such file" in result.stderr, f"{room}/ can include <kiln/tensor.h>"


def test_public_headers_include_each_other_and_the_standard_library_only():
    public = [path for path in sources(".h") if path.is_relative_to("cpp/include")]
    public += [Path("codegen/exception.h"), Path("codegen/dtype.h")]  # installed as <kiln/error.h> and <kiln/dtype.h>
    wrong = [
        f"{path}: {included}"
        for path in public
        for included in re.findall(r"^\s*#\s*include\s*(.*)", (ROOT / path).read_text(), re.M)
        if not re.fullmatch(r"<(kiln/[\w/]+\.h|[a-z_]+)>", included)
    ]
    assert len(public) > 10 and not wrong, "\n".join(wrong)


THIRD_PARTY = {
    "LLVM": (r"#\s*include\s*[<\"]llvm(-c)?/", r"codegen/llvm/\w+\.cpp"),
    "AsmJit": (r"#\s*include\s*[<\"]asmjit/", r"(codegen/asmjit|tests/cpp)/.+"),
    "oneDNN": (r"#\s*include\s*[<\"](oneapi/)?dnnl", r"(codegen/contraction|tests/cpp)/.+"),
    "Python": (r"#\s*include\s*[<\"](Python\.h|structmember\.h|pybind11/|numpy/)", r"python/.+"),
    "GoogleTest": (r"#\s*include\s*[<\"]g(test|mock)/", r"tests/cpp/.+"),
    "google-benchmark": (r"#\s*include\s*[<\"]benchmark/benchmark\.h", r"benchmarks/.+"),
    "the host's math library": (r"#\s*include\s*[<\"](math\.h|tgmath\.h)", r"$."),
}


@pytest.mark.parametrize("library", THIRD_PARTY)
def test_third_party_headers_stay_in_their_folder(library):
    pattern, home = THIRD_PARTY[library]
    wrong = [
        f"{path}:{number}: {line}"
        for path in sources(".h", ".cpp", ".inc")
        if not re.fullmatch(home, str(path))
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not wrong, f"{library} belongs to {home}:\n" + "\n".join(wrong)


def test_llvm_is_included_by_few_files():
    pattern = THIRD_PARTY["LLVM"][0]
    users = [path for path in sources(".h", ".cpp") if re.search(pattern, (ROOT / path).read_text())]
    assert len(users) <= 3, users
