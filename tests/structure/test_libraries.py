"""What the two libraries show to and want from the process they are loaded into."""

import re
import subprocess

import pytest

from tree import BUILD

LIBKILN = BUILD / "lib/libkiln.so"
LIBKILN_LLVM = BUILD / "lib/libkiln_llvm.so"


def dynamic_symbols(library, which):
    """Demangled names from the dynamic symbol table; `which` is defined or undefined."""
    listed = subprocess.run(["nm", "-D", "-C", f"--{which}-only", library], capture_output=True, text=True, check=True).stdout
    return [line.split(maxsplit=2 if which == "defined" else 1)[-1] for line in listed.splitlines()]


def all_symbols(library):
    return subprocess.run(["nm", "-C", library], capture_output=True, text=True, check=True).stdout


def needed(library):
    listed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", listed))


SYSTEM = {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"}


def test_libkiln_needs_only_the_system():
    assert needed(LIBKILN) <= SYSTEM


def test_libkiln_has_neither_llvm_nor_python():
    symbols = all_symbols(LIBKILN)
    assert "kiln::" in symbols
    assert not re.search(r"\bllvm::|\bLLVM[A-Z]|\bPy[A-Z_]\w*|pybind11", symbols)


def test_libkiln_exports_its_own_names_only():
    foreign = [name for name in dynamic_symbols(LIBKILN, "defined") if "kiln" not in name and not name.startswith("__jit_debug_")]
    assert not foreign, foreign


def test_libkiln_llvm_exports_its_factory_only():
    exported = dynamic_symbols(LIBKILN_LLVM, "defined")
    assert len(exported) == 1 and exported[0].startswith("kiln_llvm"), exported


def test_libkiln_llvm_needs_only_the_system_and_libkiln():
    assert needed(LIBKILN_LLVM) <= SYSTEM | {"libkiln.so"}


@pytest.mark.parametrize("library", [LIBKILN, LIBKILN_LLVM], ids=lambda path: path.name)
def test_libraries_do_not_run_code_from_the_build_folder(library):
    listed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    paths = re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.+)\]", listed)
    assert all(part.startswith("$ORIGIN") for path in paths for part in path.split(":")), paths
