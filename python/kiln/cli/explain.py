"""calls a function compiled once and tells what was traced, fused and run, and why

kiln explain examples/compare/functions.py:softmax
kiln explain module:function --shape 4096x1024 --form asm

"""

import argparse

from kiln._files import why_not_writable
from kiln.cli import UsageError, functions

__doc__ += functions.HELP

FORMS = {
    "trace": "the operators as recorded",
    "graph": "the graph after the passes",
    "kernels": "the fused kernels",
    "asm": "AsmJit's machine code",
    "llvm": "LLVM's input",
    "cuda": "CUDA C",
    "ptx": "what NVRTC makes of it, where that is installed",
}


def add(parser: argparse.ArgumentParser) -> None:
    functions.add(parser)
    forms = "; ".join(f"{name}, {what}" for name, what in FORMS.items())
    parser.add_argument("--form", choices=FORMS, help=f"also print the programs as text: {forms}")
    parser.add_argument("--html", metavar="FILE.html", help="write one page with graph, kernels and why; works offline")


def run(given: argparse.Namespace) -> int:
    from kiln.jit import jit

    if given.html and (problem := why_not_writable(given.html)):
        raise UsageError(f"--html {problem}")
    function, inputs = functions.chosen(given)
    try:
        jitted = jit(getattr(function, "__wrapped__", function))
        jitted(*inputs)
    except Exception as error:
        raise UsageError(f"{given.function} failed: {functions.told(error)}") from error
    explanation = jitted.explain()
    if given.form:
        print("\n".join(trace.as_text(given.form) for trace in explanation.traces))
    if given.html:
        try:
            explanation.to_html(given.html)
        except OSError as error:
            raise UsageError(f"cannot write {given.html}: {error.strerror or error}") from error
    return 0
