"""Random tensors as inputs, and the settings that results may depend on or not: seed and threads."""

import argparse
import math
import os
import re

import numpy as np

import kiln
from kiln.cli import UsageError

_FIRST = ("float32", "float64", "int32", "int64", "uint8", "bool")  # then the rest
DTYPES = {name: np.dtype(name) for name in (*_FIRST, "int8", "int16", "uint16", "uint32", "uint64", "float16", "complex64", "complex128")}


def add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="of random inputs and of Kiln's own random numbers (default: 0)")
    parser.add_argument("--threads", type=_positive, help="threads to run on (default: all CPUs of the process)")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to 1024")
    return int(text)


def settings(given: argparse.Namespace) -> np.random.Generator:
    """Sets threads and seed; gives the generator of inputs."""
    if not 0 <= given.seed < 2**63:
        raise UsageError("--seed must be from 0 to 2**63 - 1")
    if given.threads:
        kiln.set_num_threads(given.threads)
    kiln.manual_seed(given.seed)
    return np.random.default_rng(given.seed)


def shaped(text: str, random: np.random.Generator, default_dtype: str = "float32", below: int = 10) -> kiln.Tensor:
    """The tensor that --shape asks for: 4096x1024:float32."""
    shape_text, _, dtype = text.partition(":")
    dtype = dtype or default_dtype
    if not re.fullmatch(r"scalar|[0-9]{1,18}(x[0-9]{1,18})*", shape_text, re.ASCII):
        raise UsageError(f"--shape {text}: a shape is numbers with x between them, such as 4096x1024, or scalar")
    if dtype not in DTYPES:
        raise UsageError(f"--shape {text}: no such dtype as '{dtype}'; there is {', '.join(DTYPES)}")
    shape = () if shape_text == "scalar" else tuple(int(n) for n in shape_text.split("x"))
    return tensor(shape, dtype, random, f"--shape {text}", below)


def tensor(shape: tuple[int, ...], dtype: str, random: np.random.Generator, what: str, below: int = 10) -> kiln.Tensor:
    """Floats are standard normal, complex numbers by parts, integers from 0 to below - 1. `what` begins the message of a UsageError."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if math.prod(shape) * 8 > memory:  # random numbers are drawn in 64 bits
        raise UsageError(f"{what}: {math.prod(shape)} elements are more than this machine's {memory / 1e9:.0f} GB of memory hold")
    try:
        if dtype.startswith("complex"):
            return kiln.asarray((random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(DTYPES[dtype]))
        if dtype.startswith("float"):
            return kiln.asarray(random.standard_normal(shape).astype(DTYPES[dtype]))
        return kiln.asarray(random.integers(0, 2 if dtype == "bool" else below, shape).astype(DTYPES[dtype]))
    except (ValueError, MemoryError) as error:
        raise UsageError(f"{what}: {error}") from error
