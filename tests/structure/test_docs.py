"""What the documents say, held against the tree: links, commands, variables, and the README's example, which is run."""

import os
import re
import subprocess
import sys

import pytest

from tree import BUILD, ROOT, files

PAGES = [path for path in files() if path.suffix == ".md"]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.M | re.S)
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", prose)
    missing = [target for target in targets if not (ROOT / page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_named_files_exist(page):
    """`folder/file` in a page is a path of the tree; what a build or a user makes is not in it."""
    made = ("build", "dist/", ".venv/")
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*)(?: [^`]*)?`", (ROOT / page).read_text())
    missing = [
        name for name in named if not name.startswith(made) and not (ROOT / name).exists() and not (ROOT / page.parent / name).exists()
    ]
    assert not missing


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)


def test_readme_example_runs():
    """The first Python block, alone, in a new process."""
    example = blocks("README.md", "python")[0]
    assert 10 <= len(example.splitlines()) <= 20, "an example one reads at a glance"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(BUILD / "python"), os.environ.get("PYTHONPATH", "")]))
    result = subprocess.run([sys.executable, "-c", example], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def variables_of_tables(page):
    return re.findall(r"^\| `(KILN_\w+)`", (ROOT / page).read_text(), re.M)


def variables_of_sources():
    """Every environment variable that code or scripts read."""
    found = set()
    for path in files():
        if path.parts[0] in ("cmake", "tests") and path.suffix in (".cmake", ".txt"):
            continue
        text = (ROOT / path).read_text() if path.suffix in (".h", ".cpp", ".py", "") else ""
        if path.suffix in (".h", ".cpp", ".py"):
            found |= set(re.findall(r"""["'](KILN_[A-Z_]+)["']""", text))
        elif path.parts[0] == "script":
            found |= set(re.findall(r"\$\{?(KILN_[A-Z_]+)", text))
    return found


def test_variables_are_documented_and_exist():
    documented = variables_of_tables("CONTRIBUTING.md")
    assert len(documented) == len(set(documented))
    assert set(documented) == variables_of_sources()


def test_tunables_say_the_same_in_sources_and_documents():
    """The table between the markers is made from codegen/tunables.h; running this file as a program writes it."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert tunables_section(page) == tunables_table()


def tunables_section(page):
    return re.search(r"<!-- tunables -->\n(.*?)<!-- end of tunables -->", page, re.S)[1]


def tunables_table():
    text = re.sub(r'"\s*\n\s*"', "", (ROOT / "codegen/tunables.h").read_text())
    entries = re.findall(r'TunableInfo\{Tunable::\w+,\s*"(\w+)",\s*"(KILN_\w+)",[^"]*"((?:[^"\\]|\\.)*)"', text)
    assert entries
    rows = [f"| `{variable}` | `kn.config.{name}` | {doc} |\n" for name, variable, doc in entries]
    return "".join(["| variable | in Python | meaning |\n", "|---|---|---|\n", *rows])


if __name__ == "__main__":
    page = (ROOT / "CONTRIBUTING.md").read_text()
    start = "<!-- tunables -->\n"
    (ROOT / "CONTRIBUTING.md").write_text(page.replace(start + tunables_section(page), start + tunables_table()))
