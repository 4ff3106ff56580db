"""The IDX format of the MNIST files (described on Y. LeCun's MNIST page): a magic number, big-endian extents, then the elements."""

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

_ELEMENTS = {  # the magic number's third byte
    0x08: np.dtype("uint8"),
    0x09: np.dtype("int8"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array in an IDX file, gzipped or not.

    OSError if the file cannot be read; ValueError if it is not an IDX file or not whole, naming it, what was expected and what was found.
    """
    content = _content(Path(path))
    if len(content) < 4:
        raise ValueError(f"{path}: an IDX file starts with a magic number of 4 bytes, this one has {len(content)} bytes")
    if content[0] != 0 or content[1] != 0 or content[2] not in _ELEMENTS or content[3] == 0:
        raise ValueError(f"{path}: not an IDX file: it starts with {content[:4].hex(' ')}, expected 00 00, an element type and a rank")
    dtype, rank = _ELEMENTS[content[2]], content[3]
    header = 4 + 4 * rank
    if len(content) < header:
        raise ValueError(f"{path}: cut off in its header: {rank} dimensions need {header} bytes, found {len(content)}")
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - header != expected:
        what = "cut off" if len(content) - header < expected else "longer than its header says"
        raise ValueError(
            f"{path}: {what}: shape {shape} of {dtype.name} needs {expected} bytes after the header, found {len(content) - header}"
        )
    return np.frombuffer(content, dtype, offset=header).reshape(shape).astype(dtype.newbyteorder("="), copy=True)


def _content(path: Path) -> bytes:
    """The file's bytes, unpacked if they are gzipped."""
    content = path.read_bytes()
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: a damaged or cut-off gzip file: {error}") from error
