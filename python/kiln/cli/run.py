"""runs an entry of a program on arrays from files, or on random ones

kiln run m.kiln --input images.npy --out predictions.npy
kiln run m.kiln --dim batch=64 --repeat 100
kiln run m.kiln --entry train --input batch.npz --repeat 10 --save trained.kiln

inputs, each from the first of these that has it:
  --input NAME=F.npy  the input of that name (kiln info tells the names)
  --input F.npz       inputs by their names
  --input F.npy       the next input, in order, that has no file yet
  --shape             random numbers of that shape, for the next inputs without a file, in order
  --dim, --random     random numbers for all that are left; extents that files determine need no --dim

state that an entry changes (a training step's weights) goes on from run to run, and is gone afterwards without --save.
"""

import argparse
import io
import time
import zipfile

import numpy as np

from kiln._core import Tensor
from kiln.cli import UsageError, output, printable, programs, random_inputs
from kiln.cli.arrays import bound_inputs
from kiln.cli.progress import Progress
from kiln.comparing import units
from kiln.comparing.measure import summary
from kiln.export.program import Entry, type_text
from kiln.export.trees import named_tensors


def add(parser: argparse.ArgumentParser) -> None:
    programs.add(parser)
    parser.add_argument(
        "--input", action="append", default=[], metavar="[NAME=]FILE", help="arrays, as numpy.save and numpy.savez write them; see above"
    )
    parser.add_argument("--entry", metavar="NAME", help="which to run; needed where there are several")
    parser.add_argument("--random", action="store_true", help="random numbers for inputs that have no file: floats are standard normal")
    programs.add_dims(parser, "NAME=N", "the size of a dimension of random inputs, such as batch=7; once for each dimension")
    dtypes = ", ".join(random_inputs.DTYPES)
    parser.add_argument(
        "--shape", action="append", default=[], metavar="SHAPE[:DTYPE]", help=f"such as 7x28x28 (DTYPE: {dtypes}; default: the input's)"
    )
    random_inputs.add_settings(parser)
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run N times, and tell how long a run takes")
    parser.add_argument("--out", metavar="FILE", help="write the results of the last run: .npz by their names, or .npy where there is one")
    parser.add_argument("--save", metavar="FILE.kiln", help="write the program, with its state as it is afterwards")
    parser.add_argument("--quiet", action="store_true", help="do not print results, and no progress bar")


def run(given: argparse.Namespace) -> int:
    if not 1 <= given.repeat <= 1_000_000:
        raise UsageError("--repeat must be from 1 to 1000000")
    for option, path in (("out", given.out), ("save", given.save)):
        output.check(option, path)
    program = programs.loaded(given.program)
    entry = programs.entry_of(program, given.entry)
    names = [name for name, _ in named_tensors(entry.results)]
    if given.out:
        _check_out(given.out, names)
    inputs = bound_inputs(given, entry)
    results, times = _timed(entry, inputs, given.repeat, Progress(given.quiet))

    if not given.quiet:
        shapes = ", ".join(f"{name}: {type_text(t.dtype, t.shape)}" for (name, _, _), t in zip(entry.inputs, inputs, strict=True))
        print(printable(f"{entry.name}({shapes})", keep="") + _took(times))
        for name, value in zip(names, results, strict=True):
            print(f"{printable(name, keep='')}: {type_text(value.dtype, value.shape)}")
            print(np.array2string(value.numpy(), threshold=60, edgeitems=3))
        if entry.writes and not given.save:
            print(f"changed {units.counted(len(entry.writes), 'tensor')} of state; --save FILE.kiln would keep that")
    if given.out:
        output.write(given.out, _packed(given.out, names, results))
    if given.save:
        try:
            program.save(given.save)
        except OSError as error:
            raise UsageError(str(error)) from error
    return 0


def _timed(entry: Entry, inputs: list[Tensor], repeat: int, progress: Progress) -> tuple[list[Tensor], list[float]]:
    """The last results, and milliseconds of each run."""
    times: list[float] = []
    shown = 0.0
    try:
        for i in range(repeat):
            start = time.perf_counter()
            if start - shown > 0.1:  # drawing a bar takes longer than many a run
                progress(f"runs of {entry.name}", i, repeat)
                shown = start
                start = time.perf_counter()
            results = entry.run(inputs)
            times.append((time.perf_counter() - start) * 1e3)
    except Exception as error:
        raise programs.refused(entry, error) from error
    finally:
        progress.close()
    return results, times


def _took(times: list[float]) -> str:
    first = f" in {units.time(times[0])}"
    if len(times) == 1:
        return first
    if len(times) == 2:
        return f"{first}, then in {units.time(times[1])}"
    rest = summary(times[1:])
    middle_half = units.time_range(rest["quartile1_ms"], rest["quartile3_ms"])
    return f"{first}, then {len(times) - 1} times in {units.time(rest['median_ms'])} (middle half {middle_half})"


def _check_out(path: str, names: list[str]) -> None:
    if not path.endswith((".npy", ".npz")):
        raise UsageError(f"--out {path}: a name that ends in .npz, or .npy where there is one result")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"--out {path}: two results are called '{twice}'")
    if path.endswith(".npy") and len(names) != 1:
        raise UsageError(f"--out {path}: the entry has {len(names)} results; .npz holds them by their names")


def _packed(path: str, names: list[str], results: list[Tensor]) -> bytes:
    file = io.BytesIO()
    arrays = [value.numpy() for value in results]
    if path.endswith(".npy"):
        np.save(file, arrays[0], allow_pickle=False)
    else:
        with zipfile.ZipFile(file, "w") as archive:  # as np.savez, which has names of its own ("file")
            for name, array in zip(names, arrays, strict=True):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    return file.getvalue()
