"""tells what is in a program's file: entries, inputs, constraints, state, sizes

kiln info m.kiln
kiln info m.kiln --calls
kiln info m.kiln --json -

All of the file is checked on the way, so a damaged one is an error; `kiln check` also runs it.
"""

import argparse
import json
import os
import zipfile
from typing import Any

from kiln.cli import output, printable, programs
from kiln.comparing import units
from kiln.export.program import Entry, Program, type_text
from kiln.export.trees import as_text, named_tensors


def add(parser: argparse.ArgumentParser) -> None:
    programs.add(parser)
    parser.add_argument("--calls", action="store_true", help="also print each entry's operator calls")
    parser.add_argument("--json", metavar="FILE", help="write everything there instead; '-' is standard output")


def run(given: argparse.Namespace) -> int:
    output.check("json", given.json)
    program = programs.loaded(given.program)
    about = _described(given.program, program)
    if given.json:
        output.write_json(given.json, about)
        return 0
    print(printable(_text(about, program)))
    if given.calls:
        print("\n" + printable(str(program)).rstrip())
    return 0


def _described(path: str, program: Program) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:  # which has been checked
        members = [{"name": m.filename, "bytes": m.file_size} for m in archive.infolist()]
        manifest = json.loads(archive.read("manifest.json"))
    entries = [_entry(entry, list(program.state)) for entry in program.entries.values()]
    state = [
        {
            "name": name,
            "dtype": value.dtype.name,
            "shape": list(value.shape),
            "bytes": value.nbytes,
            "written_by": [entry["name"] for entry in entries if name in entry["writes"]],
        }
        for name, value in program.state.items()
    ]
    return {
        "file": path,
        "bytes": os.stat(path).st_size,
        "format": manifest["format"],
        "kiln": manifest["kiln"],
        "members": members,
        "entries": entries,
        "state": state,
    }


def _entry(entry: Entry, state: list[str]) -> dict[str, Any]:
    def typed(name: str, dtype: Any, shape: tuple) -> dict[str, Any]:
        return {"name": name, "dtype": dtype.name, "shape": list(shape)}

    return {
        "name": entry.name,
        "dims": programs.symbols_of(entry),
        "inputs": [typed(*i) for i in entry.inputs],
        "results": [typed(name, *entry.types[number]) for name, number in named_tensors(entry.results)],
        "constraints": [{"text": text, "where": where} for text, where in entry.constraints],
        "calls": len(entry.calls),
        "reads": list(dict.fromkeys(state[leaf["index"]] for leaf in entry.leaves if leaf["kind"] == "state")),
        "writes": entry.writes,
    }


def _text(about: dict[str, Any], program: Program) -> str:
    lines = [f"{about['file']}: format {about['format']}, written by Kiln {about['kiln']}, {units.size(about['bytes'])}"]
    width = max(len(m["name"]) for m in about["members"])
    lines += [f"  {m['name']:<{width}}  {units.size(m['bytes'])}" for m in about["members"]]
    lines += ["", "entries"]
    for entry in about["entries"]:
        inputs = ", ".join(f"{printable(name, keep='')}: {type_text(dtype, shape)}" for name, dtype, shape in program[entry["name"]].inputs)
        lines.append(f"  {printable(entry['name'], keep='')}({inputs}) -> {_results(program[entry['name']])}")
        lines.append(f"    {units.counted(entry['calls'], 'operator call')}{_uses(entry, len(about['state']))}")
        lines += [f"    {c['text']}{c['where'] and ', which the source compared at ' + c['where']}" for c in entry["constraints"]]
    if about["state"]:
        rows = [("name", "dtype", "shape", "size", "written by")]
        for s in about["state"]:
            shape = "scalar" if not s["shape"] else "x".join(map(str, s["shape"]))
            rows.append(
                (printable(s["name"], keep=""), s["dtype"], shape, units.size(s["bytes"]), printable(", ".join(s["written_by"]), keep=""))
            )
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines += ["", f"state, {units.size(sum(s['bytes'] for s in about['state']))}"]
        lines += ["  " + "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]).rstrip() for row in rows]
    return "\n".join(lines)


def _uses(entry: dict[str, Any], tensors: int) -> str:
    def count(names: list[str]) -> str:
        return "all" if len(names) == tensors else str(len(names)) if names else "none"

    return (
        f"; of {units.counted(tensors, 'tensor')} of state reads {count(entry['reads'])}, writes {count(entry['writes'])}"
        if tensors
        else ""
    )


def _results(entry: Entry) -> str:
    return printable(as_text(entry.results, lambda number: type_text(*entry.types[number])), keep="")
