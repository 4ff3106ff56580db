"""The tree as a reader finds it: files of a readable length and nothing of the machine it was written on."""

import re

import pytest

from tree import ROOT, files, sources

LONGEST = 800  # lines; a file has one job and usually 100 to 300 lines
BINARY = {".png", ".gz", ".bin", ".kiln"}


def text_files():
    return [path for path in files() if path.suffix not in BINARY]


def test_files_are_short_enough_to_read(record_property):
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in sources(".h", ".cpp", ".inc", ".py", ".pyi", ".cmake")}
    record_property("longest", sorted(lengths.items(), key=lambda item: -item[1])[:5])
    too_long = {path: length for path, length in lengths.items() if length > LONGEST}
    assert not too_long, f"over {LONGEST} lines: {too_long}"


MACHINE = {
    "a home or work folder": r"(?<![\w.$}])/(home|work|Users|mnt|opt)/\w+",
    "an address": r"(?<!==)\b(?!127\.0\.0\.1|0\.0\.0\.0)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
    "a package registry": r"\b(files\.)?pyp(i|thonhosted)\.org/(simple|packages)|index-url|deb\.debian\.org",
    "a secret": r"(?i)(api|access|secret)[_-]?key\s*[:=]\s*\S|BEGIN (RSA|OPENSSH) PRIVATE",
}


@pytest.mark.parametrize("kind", MACHINE)
def test_nothing_of_the_machine_it_was_written_on(kind):
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in text_files()
        if path.name not in ("LICENSE", "test_tree.py")
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search(MACHINE[kind], line)
    ]
    assert not found, f"{kind}:\n" + "\n".join(found)


def test_no_unfinished_business():
    """A TODO gives its reason; code that is commented out or behind `#if 0` is deleted instead."""
    bare = [
        f"{path}:{number}: {line.strip()}"
        for path in sources(".h", ".cpp", ".py", ".cmake")
        if path.name != "test_tree.py"
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!\([^)]+\):? \w)|^\s*#\s*if 0", line)
    ]
    assert not bare, "\n".join(bare)


def test_scripts_are_executable():
    scripts = [path for path in files() if path.parts[0] in ("script", ".ci", "examples", "benchmarks") and path.suffix == ""]
    assert scripts and all((ROOT / path).stat().st_mode & 0o111 for path in scripts), scripts
